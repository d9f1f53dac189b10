"""The page and its API. No path of a request is one of the file system: pictures are asked for by their image ids."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib import resources
from typing import Annotated, Any, Literal

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, HTTPException, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware

import mlilt
from data_prep import workers
from data_prep.errors import UserError
from data_prep.pictures import PictureError
from mlilt.search import Hit
from mlilt.serving import interface, limits, metrics
from mlilt.serving.answers import Found, Health, HitAnswer, IndexAnswer, Language, Problem
from mlilt.serving.limits import Limits
from mlilt.serving.rendering import render
from mlilt.serving.served import Served

MAX_TOP = 200
MAX_QUERY = 1_000
# Pictures drawn lately that are kept, of about ten kilobytes each.
_DRAWN = 4_096
_SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_PAGE = {"index.html": "text/html", "app.js": "text/javascript", "style.css": "text/css"}
_DESCRIPTION = (
    "Searches indexes of pictures by text and by picture. An index is named by its folder; where none is named, the "
    "first that is served is meant."
)

Top = Annotated[int, Query(ge=1, le=MAX_TOP, description="So many pictures, or as many as there are.")]
IndexName = Annotated[str | None, Query(description="Name of the index.", max_length=255)]
ImageId = Annotated[str, Path(pattern="^[0-9a-f]{16}$", description="Of a picture's content.")]


def _problems(**codes: str) -> dict[int | str, dict[str, Any]]:
    return {int(code.removeprefix("_")): {"model": Problem, "description": said} for code, said in codes.items()}


def create_app(served: Sequence[Served], allowed: Limits | None = None, hosts: Sequence[str] | None = None) -> FastAPI:
    """The application that serves some indexes, as ASGI.

    Args:
        served: the indexes, at least one, their names different.
        allowed: what a picture that is sent may be.
        hosts: names that requests may call this machine by; any by default.
    """
    allowed = allowed or Limits()
    by_name = {one.name: one for one in served}
    counts = metrics.Metrics()
    app = FastAPI(title="mlilt", version=mlilt.__version__, description=_DESCRIPTION, docs_url=None, redoc_url=None)
    app.add_middleware(metrics.Counted, metrics=counts)
    if hosts is not None:
        # Else a page on the internet could have its own name point here and read the answers.
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)

    @app.middleware("http")
    async def secure(request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        response.headers.update(_SECURITY)
        return response

    @app.exception_handler(UserError)
    def told(request: Request, error: UserError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 400)

    def one(name: str | None) -> Served:
        if name is None:
            return served[0]
        if name not in by_name:
            raise HTTPException(404, f"There is no index {name!r}. Served: {', '.join(by_name)}.")
        return by_name[name]

    # Decoding takes memory and processors: as many at once as there are of these, whoever asks.
    decoding = CapacityLimiter(workers.cores())
    # Whoever asks first is answered first; more at once would all be late.
    searching = CapacityLimiter(workers.cores())

    @lru_cache(maxsize=_DRAWN)
    def drawn(name: str, image_id: str, side: int) -> bytes:
        return render(by_name[name].current().picture(image_id), side)

    @app.get("/api/indexes", response_model=list[IndexAnswer], tags=["indexes"])
    def indexes() -> list[IndexAnswer]:
        """The indexes that are served."""
        found = []
        for each in served:
            index = each.current()
            about = index.about
            found.append(
                IndexAnswer(
                    name=each.name,
                    pictures=len(index),
                    run=about.name,
                    languages=list(about.languages),
                    changed=about.changed,
                )
            )
        return found

    @app.get(
        "/api/search",
        response_model=Found,
        tags=["search"],
        responses=_problems(_400="The query cannot be searched for.", _404="There is no such index."),
    )
    async def search(
        q: Annotated[
            str,
            Query(min_length=1, max_length=MAX_QUERY, pattern=r"\S", description="A text in any of the languages."),
        ],
        index: IndexName = None,
        top: Top = 30,
    ) -> Found:
        """The pictures that fit a text best."""
        chosen = one(index)

        def ask() -> Found:
            return _found(chosen, chosen.current().search(q, top, compiled=True))

        return await to_thread.run_sync(ask, limiter=searching)

    @app.post(
        "/api/search/picture",
        response_model=Found,
        tags=["search"],
        responses=_problems(
            _400="The picture did not come whole.",
            _404="There is no such index.",
            _408="The picture did not arrive in time.",
            _413="The picture has more bytes or pixels than allowed.",
            _415="It is no picture that can be read.",
        ),
        openapi_extra={
            "requestBody": {
                "required": True,
                "description": "The picture's file: PNG, JPEG, WebP, GIF, BMP, TIFF or SVG.",
                "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
            }
        },
    )
    async def search_picture(request: Request, index: IndexName = None, top: Top = 30) -> Found:
        """The pictures that look most like one that is sent, which is not kept."""
        chosen = one(index)
        data = await limits.body(request, allowed)

        def ask() -> Found:
            limits.check_pixels(data, allowed)
            try:
                return _found(chosen, chosen.current().search_image(data, top))
            except PictureError as error:
                raise HTTPException(415, f"This picture cannot be read: {error}.") from error

        return await to_thread.run_sync(ask, limiter=decoding)

    @app.get(
        "/api/similar",
        response_model=Found,
        tags=["search"],
        responses=_problems(
            _404="There is no such index or picture.",
            _410="The picture's file is gone or cannot be read.",
        ),
    )
    async def similar(
        image_id: Annotated[str, Query(pattern="^[0-9a-f]{16}$", description="Of a picture's content.")],
        index: IndexName = None,
        of: Annotated[str | None, Query(description="The index that has the picture.", max_length=255)] = None,
        top: Top = 30,
    ) -> Found:
        """The pictures that look most like one of an index."""
        chosen, home = one(index), one(of if of is not None else index)

        def ask() -> Found:
            there = chosen.current()
            if home is chosen:
                return _found(chosen, there.nearest(there.vector(image_id), top))
            return _found(chosen, there.search_image(home.current().picture(image_id), top))

        with _told():
            return await to_thread.run_sync(ask, limiter=decoding)

    @app.get(
        "/api/pictures/{index}/{image_id}",
        response_class=Response,
        tags=["pictures"],
        responses={
            200: {"content": {"image/webp": {"schema": {"type": "string", "format": "binary"}}}},
            304: {"description": "It is what the caller has."},
            **_problems(
                _404="There is no such index or picture.", _410="The picture's file is gone or cannot be read."
            ),
        },
    )
    async def picture(
        request: Request,
        index: Annotated[str, Path(description="Name of the index.", max_length=255)],
        image_id: ImageId,
        side: Annotated[Literal["256", "1024"], Query(description="Pixels of the longer side, at most.")] = "256",
    ) -> Response:
        """A picture of an index, drawn anew as WebP."""
        chosen, tag = one(index), f'"{image_id}-{side}"'
        headers = {"Cache-Control": "private, max-age=3600", "ETag": tag}
        with _told():
            # What was taken out of the index is no longer shown, drawn before or not.
            if image_id not in chosen.current():
                raise KeyError(image_id)
            if request.headers.get("if-none-match") == tag:
                return Response(status_code=304, headers=headers)
            shown = await to_thread.run_sync(drawn, chosen.name, image_id, int(side), limiter=decoding)
            return Response(shown, media_type="image/webp", headers=headers)

    @app.get("/api/interface", response_model=list[Language], tags=["page"])
    def languages() -> list[Language]:
        """The languages that the page speaks."""
        return [Language(code=code, name=told["name"]) for code, told in interface.texts().items()]

    @app.get(
        "/api/interface/{code}",
        response_model=dict[str, str],
        tags=["page"],
        responses=_problems(_404="The page does not speak it."),
    )
    def language(code: Annotated[str, Path(max_length=35)]) -> dict[str, str]:
        """The page's texts in a language."""
        if code not in interface.texts():
            raise HTTPException(404, f"The page speaks {', '.join(interface.texts())}.")
        return interface.texts()[code]

    @app.get("/health", response_model=Health, tags=["server"])
    def health() -> Health:
        """That the server answers."""
        return Health(version=mlilt.__version__, indexes=len(served))

    @app.get("/metrics", response_class=Response, tags=["server"], responses={200: {"content": {"text/plain": {}}}})
    def count() -> Response:
        """Requests and their times, for Prometheus."""
        return Response(counts.text(), media_type=metrics.TYPE)

    def page(name: str) -> Response:
        return Response(_asset(name), media_type=_PAGE[name], headers={"Cache-Control": "no-cache"})

    @app.get("/", include_in_schema=False)
    def root() -> Response:
        return page("index.html")

    @app.get("/page/{name}", include_in_schema=False)
    def asset(name: str) -> Response:
        if name not in _PAGE:
            raise HTTPException(404, "There is no such file.")
        return page(name)

    return app


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Answers for a picture of an index that is not there, or no longer."""
    try:
        yield
    except KeyError:
        raise HTTPException(404, "There is no such picture.") from None
    except PictureError as error:
        raise HTTPException(410, f"The picture cannot be shown: {error}.") from error


def _found(served: Served, hits: Sequence[Hit]) -> Found:
    return Found(index=served.name, hits=[HitAnswer.model_validate(hit) for hit in hits])


@lru_cache
def _asset(name: str) -> bytes:
    return (resources.files("mlilt.serving") / "page" / name).read_bytes()
