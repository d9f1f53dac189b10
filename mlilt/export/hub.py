"""Uploads an export to a repository of the model hub, in one commit."""

from __future__ import annotations

from pathlib import Path

from data_prep.errors import UserError
from mlilt import export, record
from mlilt.export import targets


def push(folder: Path | str, repo: str, private: bool = False, message: str | None = None) -> str:
    """Uploads an export, making the repository if there is none.

    The card says how to load it from there, and files that name their own place name that one. Needs a token that may
    write: from `hf auth login`, or in HF_TOKEN. HF_ENDPOINT names another hub than the public one.

    Args:
        folder: what `export` wrote.
        repo: "organization/name" or "name".
        private: make a new repository private; one that is there stays as it is.
        message: of the commit.

    Returns:
        The repository's address.

    Raises:
        UserError: no export, no token, a name that cannot be, or the hub cannot be reached or refuses; says what to do.
    """
    import huggingface_hub as hub
    from huggingface_hub import errors

    folder = Path(folder)
    if (folder / record.RECORD).is_file():
        raise UserError(f"{folder} is a run. Export it first: `mlilt export {folder} --to TARGET`.")
    about, to = export.read(folder)
    target = targets.load(to)
    if not hub.get_token():
        raise UserError("There is no token of the hub. Log in by `hf auth login`, or set HF_TOKEN.")
    api = hub.HfApi()
    try:
        # An organization may have its own default.
        made = api.create_repo(repo, private=private or None, exist_ok=True)
        place = made.repo_id
        written = {
            export.CARD: export.card_for(about, to, target.HUB_USE, place).encode(),
            **target.named(folder, place),
        }
        files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        operations = [
            hub.CommitOperationAdd(path_in_repo=name, path_or_fileobj=written.get(name, folder / name))
            for name in files
        ]
        api.create_commit(place, operations, commit_message=message or f"{about.name}, written by mlilt for {to}")
    except errors.HFValidationError as error:
        raise UserError(f"{repo!r} cannot be a repository's name: {error}") from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else None
        raise UserError(
            f"The hub refused ({status}: {error.server_message or str(error).splitlines()[0]}). "
            + ("Use a token that may write there: `hf auth login`." if status in {401, 403} else "Try again later.")
        ) from error
    except errors.OfflineModeIsEnabled as error:
        raise UserError("HF_HUB_OFFLINE is set, so nothing can be uploaded. Unset it.") from error
    except (UserError, KeyError, ValueError) as error:
        # HTTP's own errors are none of these.
        raise UserError(f"{folder} cannot be uploaded: {error}") from error
    except Exception as error:  # the hub's client lets through what its HTTP library raises
        raise UserError(
            f"The hub cannot be reached ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}). "
            f"Check the network; {folder} is whole, so that the same command can be given again."
        ) from error
    return str(made)
