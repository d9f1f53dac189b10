"""Leaves out of a text tower's vocabulary what a language's texts do not use; on these texts nothing changes.

A multilingual vocabulary has 250,000 pieces, and its embedding is most of a small model. Kept are the pieces that the
texts use, and a base set for texts to come. Why the texts are segmented as before:

- Normalization and splitting into words know nothing of the vocabulary and stay as they are.
- Unigram takes the path of pieces with the highest score. The pieces of the best path all stay, so its score stays; all
  other paths are as good as before or gone. A character that becomes unknown would be a new step; it scores less than
  any piece does, so a path with it is worse than one there was before. For that the lowest score must stay what it was,
  as an unknown character's score hangs on it. Among equal paths the one whose last piece starts first wins, whatever
  other pieces there are, so ties go as before.
- WordPiece takes the longest piece that fits, from left to right, and each that it took stays. So do those it took of a
  word that it could not finish, or it might now finish it in another way.
"""

from __future__ import annotations

import copy
import json
import re
import shutil
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from data_prep.errors import UserError
from data_prep.progress import bar
from mlilt.exchange import exchanged
from mlilt.towers import catalog
from mlilt.towers.text import TRIMMED, TextTower

TOP = 5000
TOLERANCE = 1e-6
MANIFEST = TRIMMED
FORMAT = 1
SENTENCEPIECE = ("sentencepiece.bpe.model", "spiece.model")
# A script is the texts' own from this share of their letters on: captions name a few signs of others.
_SCRIPT_SHARE = 0.001
_SAMPLE = 128
_SETTINGS = "tokenizer_config.json"
_CHUNK = 2048
_WORD_START = "▁"
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_UNUSED = re.compile(r"\[unused\d+\]")


class TrimmedTower(TextTower):
    """A text tower with a part of another's vocabulary.

    Attributes:
        ids: the ids that its tokens have in that other tower, ascending; the place is the token's own id.
        sentencepiece: the other tower's SentencePiece model, if it has one.
    """

    ids: tuple[int, ...]
    sentencepiece: Path | None


def kept(tokenizer: Any, texts: Iterable[str], top: int = TOP) -> list[int]:
    """Which tokens to keep for some texts.

    These are: special and added tokens; what the texts use, also where a comma follows them, as it does where keywords
    are joined; single characters that are in the texts, of their scripts, ASCII, punctuation, digits or signs of
    sums and money; bytes; the likeliest pieces; and those with the lowest and the highest score.

    Args:
        tokenizer: of a text tower.
        texts: any number of them.
        top: so many of the likeliest pieces, single characters not counted in WordPiece, whose order begins with them.

    Returns:
        Ids, ascending.

    Raises:
        UserError: a tokenizer that cannot be trimmed, or a negative `top`.
    """
    check_top(top)
    made = _description(tokenizer)
    pieces, scores = _pieces(made)
    normalize = _normalizer(tokenizer)
    special = _special(tokenizer, made)
    found = set(special)
    characters: Counter[str] = Counter()
    texts = list(dict.fromkeys(texts))
    for start in range(0, len(texts), _CHUNK):
        chunk = texts[start : start + _CHUNK]
        both = [*chunk, *(f"{text}," for text in chunk)]
        rows = _encode(tokenizer, both)
        found.update(*rows)
        for text in chunk:
            characters.update(normalize(text))
        if made["model"]["type"] == "WordPiece":
            unknown = tokenizer.unk_token_id
            unfinished = [text for text, row in zip(both, rows, strict=True) if unknown in row]
            found.update(_dead_ends(tokenizer, made, pieces, unfinished))
    scripts = _scripts(characters)
    mark = made["model"].get("continuing_subword_prefix") or _WORD_START
    letters = {i: body for i, piece in enumerate(pieces) if len(body := piece.removeprefix(mark)) <= 1}
    found.update(i for i, body in letters.items() if body in characters or not body or _common(body, scripts))
    found.update(i for i, piece in enumerate(pieces) if _BYTE.fullmatch(piece))
    ordinary = [i for i in range(len(pieces)) if i not in special]
    if scores:
        likeliest = sorted(ordinary, key=lambda i: -scores[i])
        found.update((*likeliest[:top], *likeliest[:1], *likeliest[-1:]))
    else:
        found.update([i for i in ordinary if i not in letters and not _UNUSED.fullmatch(pieces[i])][:top])
    return sorted(found)


def trim(tower: TextTower, ids: Sequence[int]) -> TrimmedTower:
    """A tower with these tokens alone; what else is in it is copied, and `tower` stays as it is.

    The order of tokens stays: special ones that come first keep their ids. The same tower and ids give the same digest.

    Raises:
        UserError: a tokenizer that cannot be trimmed, ids out of range, or without the special tokens.
    """
    made = _description(tower.tokenizer)
    embedding = tower.encoder.get_input_embeddings()  # type: ignore[operator]
    if not isinstance(embedding, nn.Embedding):
        raise UserError(f"The word embedding of {tower.name} is a {type(embedding).__name__}, which cannot be trimmed.")
    wanted = sorted(set(map(int, ids)))
    size = min(len(tower.tokenizer), embedding.num_embeddings)
    if beyond := [i for i in wanted if not 0 <= i < size]:
        raise UserError(f"The vocabulary of {tower.name} has ids from 0 to {size - 1}; it has no {beyond[0]}.")
    if absent := sorted(_special(tower.tokenizer, made) - set(wanted)):
        names = tower.tokenizer.convert_ids_to_tokens(absent[:5])
        raise UserError(f"{tower.name} needs its special tokens, and the ids leave out {', '.join(names)}.")
    place = {old: new for new, old in enumerate(wanted)}
    encoder = _encoder(tower, embedding, wanted, place)
    tokenizer = _tokenizer(tower.tokenizer, _renumbered(made, place), place, encoder)
    before, after = (
        t.convert_ids_to_tokens(i) for t, i in ((tower.tokenizer, wanted), (tokenizer, range(len(wanted))))
    )
    if before != after or len(tokenizer) != len(wanted):
        raise UserError(f"The tokenizer of {tower.name} ({type(tower.tokenizer).__name__}) cannot be trimmed exactly.")
    trimmed = TrimmedTower(encoder, tokenizer, tower.name, tower.pooling, tower.max_tokens)
    trimmed.ids = tuple(wanted)
    files = (Path(tower.tokenizer.name_or_path) / name for name in SENTENCEPIECE)
    trimmed.sentencepiece = next((file for file in files if file.is_file()), None)
    return trimmed.train(tower.training)


def check(base: TextTower, trimmed: TextTower, ids: Sequence[int], texts: Sequence[str], progress: bool = True) -> None:
    """Makes sure that a trimmed tower gives what its base gives: pieces on all texts, vectors on a sample of them.

    Args:
        base: the whole tower.
        trimmed: the other one, in memory or loaded again.
        ids: the ids its tokens have in `base`, ascending.
        texts: to compare on.
        progress: show progress bars.

    Raises:
        UserError: they differ; says where.
    """
    if trimmed.tokenizer.convert_ids_to_tokens(range(len(ids))) != base.tokenizer.convert_ids_to_tokens(list(ids)):
        raise UserError(f"The tokens of the trimmed {base.name} are not those kept. Please report this.")
    with bar("Comparing pieces", len(texts), unit="texts", show=progress) as running:
        for start in range(0, len(texts), _CHUNK):
            chunk = texts[start : start + _CHUNK]
            for text, one, other in zip(
                chunk, _encode(base.tokenizer, chunk), _encode(trimmed.tokenizer, chunk), strict=True
            ):
                if [ids[i] for i in other] != one:
                    was, now = (t.tokenizer.convert_ids_to_tokens(i) for t, i in ((base, one), (trimmed, other)))
                    raise UserError(
                        f"The trimmed {base.name} splits {text!r} into {' '.join(now)}, not into {' '.join(was)}. "
                        "Please report this."
                    )
            running.advance(len(chunk))
    sample = texts[:: -(-len(texts) // _SAMPLE) or 1]
    with bar("Comparing vectors", len(sample), unit="texts", show=progress) as running, torch.inference_mode():
        for start in range(0, len(sample), 64):
            chunk = sample[start : start + 64]
            one, other = (tower(tower.tokenize(chunk)) for tower in (base, trimmed))
            if not (far := float((one - other).abs().max())) <= TOLERANCE:
                raise UserError(f"Vectors of the trimmed {base.name} differ by {far:.2g}. Please report this.")
            running.advance(len(chunk))


def save(
    tower: TrimmedTower,
    folder: Path,
    base_sha256: str = "",
    languages: Sequence[str] = (),
    force: bool = False,
    verify: Callable[[Path], None] = lambda _: None,
) -> None:
    """Writes a folder that `mlilt.towers.text.load` and transformers' own calls load; as a whole, or not at all.

    Where the base has a SentencePiece model, the folder has it too, trimmed likewise.

    Args:
        tower: what `trim` gave.
        folder: where to; its parents are made.
        base_sha256: the base tower's digest, for the folder to tell.
        languages: codes of those it was trimmed for, for the folder to tell.
        force: replace a folder that this function wrote.
        verify: is called with what was written before it gets its name; if it raises, nothing is left behind.

    Raises:
        UserError: there is something already, it cannot be written, or another process is writing it.
    """
    with exchanged(folder, lambda: check_folder(folder, force)) as part:
        _write(tower, part, base_sha256, languages)
        verify(part)


def check_top(top: int) -> None:
    """Raises UserError if there cannot be so many likeliest pieces."""
    if top < 0:
        raise UserError(f"--top must be 0 or more, not {top}.")


def check_folder(folder: Path, force: bool = False) -> None:
    """Raises UserError if `save` would not write there."""
    if Path.cwd().is_relative_to(folder.resolve()):
        raise UserError(f"{folder} is the current folder or holds it; --out needs a folder of its own.")
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not (folder / MANIFEST).is_file():
        raise UserError(f"{folder} is there already and is no trimmed text tower. Choose another --out.")
    if not force:
        raise UserError(
            f"{folder} holds a trimmed text tower already. Replace it with --force, or choose another --out."
        )


def _description(tokenizer: Any) -> dict[str, Any]:
    """All that a tokenizer is, as its tokenizer.json says it."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    made: dict[str, Any] = json.loads(backend.to_str()) if backend else {"model": {}}
    kind = made["model"].get("type", type(tokenizer).__name__)
    if kind not in {"Unigram", "WordPiece"}:
        raise UserError(
            f"A vocabulary of the kind {kind} cannot be trimmed: Unigram (XLM-R, E5) and WordPiece (mBERT) can. Train "
            "without trimming, or choose another --text."
        )
    # Set by each call, and no part of what a tokenizer is.
    return {**made, "truncation": None, "padding": None}


def _pieces(made: dict[str, Any]) -> tuple[list[str], list[float]]:
    """The model's pieces by id, and their scores if it has any."""
    vocabulary = made["model"]["vocab"]
    if made["model"]["type"] == "Unigram":
        return [piece for piece, _ in vocabulary], [score for _, score in vocabulary]
    return sorted(vocabulary, key=vocabulary.__getitem__), []


def _special(tokenizer: Any, made: dict[str, Any]) -> set[int]:
    """Ids of special and added tokens."""
    model = made["model"]
    unknown = model.get("unk_id") if model["type"] == "Unigram" else model["vocab"].get(model["unk_token"])
    given = {*tokenizer.all_special_ids, *(token["id"] for token in made["added_tokens"]), unknown}
    return {i for i in given if i is not None}


def _encode(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Token ids, uncut."""
    if not texts:
        return []
    ids: list[list[int]] = tokenizer(list(texts), truncation=False, return_attention_mask=False, verbose=False)[
        "input_ids"
    ]
    return ids


def _normalizer(tokenizer: Any) -> Callable[[str], str]:
    normalizer = tokenizer.backend_tokenizer.normalizer
    return normalizer.normalize_str if normalizer is not None else str


def _script(character: str) -> str | None:
    """A letter's script, as the first word of its name in Unicode tells it; None of other characters."""
    if unicodedata.category(character)[0] not in "LM":
        return None
    return unicodedata.name(character, "").partition(" ")[0] or None


def _scripts(characters: Counter[str]) -> set[str]:
    """The scripts that are a part of the texts worth naming."""
    counts: Counter[str] = Counter()
    for character, count in characters.items():
        if script := _script(character):
            counts[script] += count
    return {script for script, count in counts.items() if count >= _SCRIPT_SHARE * counts.total()}


def _common(character: str, scripts: set[str]) -> bool:
    """True of a character that texts to come may well have."""
    category = unicodedata.category(character)
    common = character.isascii() or category[0] == "P" or category in {"Nd", "Sc", "Sm"}
    return common or _script(character) in scripts


def _dead_ends(tokenizer: Any, made: dict[str, Any], pieces: list[str], texts: Iterable[str]) -> Iterator[int]:
    """The pieces that WordPiece takes of words before it finds nothing that fits."""
    normalize, split = _normalizer(tokenizer), tokenizer.backend_tokenizer.pre_tokenizer.pre_tokenize_str
    place = {piece: i for i, piece in enumerate(pieces)}
    prefix = made["model"]["continuing_subword_prefix"]
    for word in {word for text in texts for word, _ in split(normalize(text))}:
        start = 0
        while start < len(word):
            mark = prefix if start else ""
            ends = (end for end in range(len(word), start, -1) if mark + word[start:end] in place)
            if (end := next(ends, None)) is None:
                break
            yield place[mark + word[start:end]]
            start = end


def _renumbered(made: dict[str, Any], place: dict[int, int]) -> dict[str, Any]:
    """A tokenizer's description with the tokens in `place` alone, which maps old ids to new ones."""
    model = dict(made["model"])
    pieces, scores = _pieces(made)
    own = [i for i in place if i < len(pieces)]
    if scores:
        model["vocab"] = [[pieces[i], scores[i]] for i in own]
        if model["unk_id"] is not None:
            model["unk_id"] = place[model["unk_id"]]
    else:
        model["vocab"] = {pieces[i]: place[i] for i in own}
    added = [{**token, "id": place[token["id"]]} for token in made["added_tokens"]]
    return {**made, "model": model, "added_tokens": added, "post_processor": _processor(made["post_processor"], place)}


def _processor(made: Any, place: dict[int, int]) -> Any:
    """The description of what adds special tokens, with new ids."""
    if made is None:
        return None
    made = dict(made)
    if "processors" in made:
        made["processors"] = [_processor(part, place) for part in made["processors"]]
    for key in {"cls", "sep"} & made.keys():
        made[key] = [made[key][0], place[made[key][1]]]
    if isinstance(made.get("special_tokens"), dict):
        made["special_tokens"] = {
            name: {**token, "ids": [place[i] for i in token["ids"]]} for name, token in made["special_tokens"].items()
        }
    return made


def _tokenizer(tokenizer: Any, made: dict[str, Any], place: dict[int, int], encoder: Any) -> Any:
    """A tokenizer of this description, whose other settings are those of `tokenizer`.

    It goes through a folder, so that what is in memory is what is loaded from one.
    """
    import transformers

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        tokenizer.save_pretrained(folder)
        for path in folder.iterdir():
            if path.name not in {_SETTINGS, "special_tokens_map.json"}:
                path.unlink() if path.is_file() else shutil.rmtree(path)
        (folder / "tokenizer.json").write_text(json.dumps(made, ensure_ascii=False), encoding="utf-8")
        settings = json.loads((folder / _SETTINGS).read_text(encoding="utf-8"))
        if added := settings.get("added_tokens_decoder"):
            settings["added_tokens_decoder"] = {str(place[int(i)]): token for i, token in added.items()}
        (folder / _SETTINGS).write_text(json.dumps(settings), encoding="utf-8")
        # Which class reads a folder may depend on the model in it.
        encoder.config.save_pretrained(folder)
        return transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)


def _encoder(tower: TextTower, embedding: nn.Embedding, wanted: list[int], place: dict[int, int]) -> Any:
    """A copy of the encoder with the rows `wanted` of its word embedding alone."""
    weight = embedding.weight
    rows = nn.Parameter(weight.detach()[torch.tensor(wanted, device=weight.device)], weight.requires_grad)
    # The copy takes the new rows wherever it would copy the old ones, which are most of the model.
    encoder: Any = copy.deepcopy(tower.encoder, {id(weight): rows})
    copied = encoder.get_input_embeddings()
    copied.num_embeddings = len(wanted)
    if embedding.padding_idx is not None:
        copied.padding_idx = place.get(embedding.padding_idx)
    config = encoder.config
    config.vocab_size = len(wanted)
    pad = getattr(config, "pad_token_id", None)
    for key, value in list(vars(config).items()):
        if key.endswith("_token_id") and value is not None:
            several = [place[i] for i in value if i in place] if isinstance(value, list) else place.get(value)
            setattr(config, key, several)
    if pad is not None and config.pad_token_id is None:
        config.pad_token_id = place.get(tower.tokenizer.pad_token_id)
    others = (m for m in tower.encoder.modules() if isinstance(m, nn.Embedding) and m is not embedding)
    if config.pad_token_id != pad and any(other.padding_idx is not None for other in others):
        raise UserError(f"{tower.name} counts positions from its padding token's id, so all ids up to {pad} must stay.")
    return encoder


def _sentencepiece(file: Path, tokens: set[str]) -> bytes:
    """A SentencePiece model with the pieces among `tokens` alone, and what is no piece of text; in the same order.

    A token's id is its piece's place and an offset, which stays what it was as both lose the same pieces.
    """
    from sentencepiece import sentencepiece_model_pb2

    described: Any = sentencepiece_model_pb2
    model = described.ModelProto.FromString(file.read_bytes())
    kinds = model.SentencePiece.Type
    stay = [p for p in model.pieces if p.type in {kinds.UNKNOWN, kinds.CONTROL} or p.piece in tokens]
    stay = [model.SentencePiece.FromString(piece.SerializeToString()) for piece in stay]
    del model.pieces[:]
    model.pieces.extend(stay)
    model.trainer_spec.vocab_size = len(stay)
    # Its samples of segmented texts may need pieces that are gone, and then it would not load.
    if "self_test_data" in model.DESCRIPTOR.fields_by_name:
        model.ClearField("self_test_data")
    written: bytes = model.SerializeToString(deterministic=True)
    return written


def _write(tower: TrimmedTower, folder: Path, base_sha256: str, languages: Sequence[str]) -> None:
    encoder: Any = tower.encoder
    encoder.save_pretrained(folder)
    tower.tokenizer.save_pretrained(folder)
    settings = json.loads((folder / _SETTINGS).read_text(encoding="utf-8"))
    # How it was loaded here is nothing that a folder should tell.
    kept_settings = {key: value for key, value in settings.items() if key not in {"is_local", "local_files_only"}}
    (folder / _SETTINGS).write_text(json.dumps(kept_settings, indent=2) + "\n", encoding="utf-8")
    if tower.sentencepiece is not None:
        tokens = set(tower.tokenizer.get_vocab())
        (folder / tower.sentencepiece.name).write_bytes(_sentencepiece(tower.sentencepiece, tokens))
    alias = catalog.find("text", tower.name)
    about = {
        "format": FORMAT,
        "base": tower.name,
        "model": alias.model if alias else tower.name,
        "base_sha256": base_sha256,
        "licence": alias.licence if alias else "",
        "languages": list(languages),
        "pooling": tower.pooling,
        "max_tokens": tower.max_tokens,
        "ids": list(tower.ids),
    }
    (folder / MANIFEST).write_text(json.dumps(about) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(_card(about), encoding="utf-8", newline="\n")


def _card(about: dict[str, Any]) -> str:
    # JSON is YAML too, and its writer is at hand.
    header = {
        "language": sorted({code.split("-")[0] for code in about["languages"]}),
        "license": about["licence"].lower(),
        "base_model": about["model"] if "/" in about["model"] else "",
        "tags": ["mlilt"],
    }
    yaml = "\n".join(f"{key}: {json.dumps(value)}" for key, value in header.items() if value)
    rows = {
        "base": about["base"] if about["base"] == about["model"] else f"{about['base']} ({about['model']})",
        "digest of the base": about["base_sha256"] or "not told",
        "languages": ", ".join(about["languages"]) or "not told",
        "pieces kept": f"{len(about['ids']):,}",
        "vector of a caption": f"{about['pooling']} over tokens, of {about['max_tokens']} at most",
        "licence": f"{about['licence']}, as of the base" if about["licence"] else "that of the base, which see",
    }
    table = "\n".join(f"| {key} | {value} |" for key, value in rows.items())
    return (
        f"---\n{yaml}\n---\n\n# {about['base']} with a trimmed vocabulary\n\nA text tower that `mlilt trim` made: the "
        "base without the pieces of its vocabulary that captions of the languages do not use. On these captions it "
        "gives the same pieces and the same vectors; other texts may be cut into more and smaller pieces.\n\n"
        f"| | |\n| --- | --- |\n{table}\n\n`{MANIFEST}` has the ids that its tokens have in the base. Use it with "
        "`mlilt train --text FOLDER`, or with `AutoModel` and `AutoTokenizer` of transformers.\n"
    )
