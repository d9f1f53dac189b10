"""Translation by any seq2seq model of `transformers`, and how well it did.

How a model is told the two languages is read off its tokenizer, not its name:

- codes that are tokens of their own, set by `src_lang` and forced as the first token (NLLB, M2M100, mBART);
- a token before the text that names the target (`<2sw>` of MADLAD-400, `>>swh<<` of Marian models with many targets);
- nothing at all: a model of one direction (Marian's opus-mt-en-sw).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

from data_prep.errors import UnknownNameError, UserError
from data_prep.languages import Language

ALIASES = {"nllb": "facebook/nllb-200-distilled-600M"}
ENGLISH = ("eng_Latn", "en", "eng")

# Captions are short; a model that knows no limit (T5) gets this one, in tokens.
MAX_TOKENS = 512
HUB_TIMEOUT_S = 10
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")
_PREFIX = re.compile(r"<2([\w-]+)>|>>([\w-]+)<<")
_CODE = re.compile(r"[a-z]{2,3}_[A-Z][A-Za-z]{1,3}")
# Scripts written without spaces between words: BLEU counts characters there.
_NO_SPACES = {"Hans", "Hant", "Jpan", "Khmr", "Laoo", "Mymr", "Thai", "Tibt"}


def codes_of(language: Language) -> tuple[str, ...]:
    """What models may call a language, the most exact first."""
    base, _, rest = language.code.partition("-")
    codes = (
        *language.flores200,
        language.code,
        language.code.replace("-", "_"),
        f"{language.iso639_3}_{language.script}",
    )
    # "sr" alone is in another script than sr-Latn may be.
    scripted = re.search(r"(^|-)[A-Z][a-z]{3}(-|$)", rest) is not None
    return tuple(dict.fromkeys(codes if scripted else (*codes, base, language.iso639_3)))


class Translator:
    """A seq2seq model with its tokenizer, on the GPU (bfloat16) if there is one.

    Attributes:
        name: what is written as the origin of captions: the hub's id, or a local folder's name.
        codes: the model's own codes of languages; none for a model of one direction.
        both_ways: True if it translates back too.
        max_tokens: longer texts are cut, special tokens counted.
        device: where it computes.
    """

    def __init__(self, model: Any, tokenizer: Any, name: str) -> None:
        import torch

        self.name = name
        self.tokenizer = tokenizer
        self._marks, self._prefixes = _marks(tokenizer), _prefixes(tokenizer)
        self.codes = tuple(self._marks or self._prefixes)
        limit = getattr(model.config, "max_position_embeddings", None) or MAX_TOKENS
        self.max_tokens = int(min(limit, tokenizer.model_max_length, MAX_TOKENS))
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        half = self.device.type == "cuda" and torch.cuda.is_bf16_supported()
        self.model = model.to(device=self.device, dtype=torch.bfloat16 if half else torch.float32).eval()
        # What a model of one direction says of it.
        self._made = [
            getattr(tokenizer, f"{side[0]}_lang", None) or getattr(tokenizer, f"{side[1]}_lang", None)
            for side in (("source", "src"), ("target", "tgt"))
        ]
        self.both_ways = bool(self._marks or (self._prefixes and not self._made[0]))
        if not self.codes and self._made[0] and not self._made[1]:
            raise UserError(
                f"The tokenizer of {name} knows no codes of languages. Fetch all files of the model again, "
                "tokenizer.json above all."
            )

    def pair(self, source: Sequence[str], target: Sequence[str]) -> tuple[str, str]:
        """The model's own codes of two languages, of which each is given by what it may be called.

        A code is empty where the model is not told.

        Raises:
            UserError: the model does not know one of them, or translates the other way only.
        """
        if self._marks:
            return self._code(source), self._code(target)
        if self._made[0] in target or self._made[1] in source:
            raise UserError(
                f"{self.name} translates from {self._made[0]} to {self._made[1]}, not from {source[0]} to {target[0]}. "
                "Name a model of that direction."
            )
        if not self._prefixes:
            return "", ""
        code = self._code(target)
        if self.tokenizer.convert_tokens_to_ids(self._prefixes[code]) not in self.encode(["a"], ("", code))[0]:
            raise UserError(f"The tokenizer of {self.name} takes its own token {self._prefixes[code]} apart.")
        return "", code

    def _code(self, names: Sequence[str]) -> str:
        for name in names:
            if name in self.codes:
                return name
        for name in names:  # mBART's codes name a country too
            near = [code for code in self.codes if re.fullmatch(re.escape(name) + "_[A-Z]{2}", code)]
            if len(near) == 1:
                return near[0]
        raise UnknownNameError(
            f"language in {self.name}",
            names[0],
            self.codes,
            "If the model calls it otherwise, give that: `--step translate:language_code=CODE` (or english_code).",
        )

    def encode(self, texts: Sequence[str], pair: tuple[str, str], cut: bool = True) -> list[list[int]]:
        """Token ids of texts as the model wants them, with what tells the languages."""
        if not texts:
            return []
        source, target = pair
        if source:
            self.tokenizer.src_lang = source
        told = f"{self._prefixes[target]} " if target in self._prefixes else ""
        length = {"truncation": True, "max_length": self.max_tokens} if cut else {}
        ids: list[list[int]] = self.tokenizer([told + text for text in texts], **length)["input_ids"]
        return ids

    def first(self, target: str) -> dict[str, int]:
        """What makes the model write in the language `target`, as arguments of `generate`."""
        if target not in self._marks:
            return {}
        # mBART's models of one pair start with the code itself, all others with a token before it.
        start = self.model.config.decoder_start_token_id
        plain = start is None or start in self._marks.values()
        return {"decoder_start_token_id" if plain else "forced_bos_token_id": self._marks[target]}

    def too_long(self, texts: Sequence[str], pair: tuple[str, str]) -> list[bool]:
        """Which texts have more tokens than the model takes."""
        return [len(ids) > self.max_tokens for ids in self.encode(texts, pair, cut=False)]

    def translate(
        self,
        texts: Sequence[str],
        pair: tuple[str, str],
        batch_size: int = 32,
        num_beams: int = 4,
        advance: Callable[[int], None] = lambda count: None,
    ) -> list[str]:
        """Translates texts by beam search, in their order; an empty text stays empty.

        Args:
            texts: what to translate; those longer than `max_tokens` are cut.
            pair: the model's codes of source and target, from `pair`.
            batch_size: texts that are translated at once. Those of similar length are together.
            num_beams: hypotheses that are kept for each text.
            advance: told after each batch how many texts are done.

        Raises:
            UserError: a batch does not fit into the GPU's memory.
        """
        import torch

        encoded = self.encode(texts, pair)
        order = sorted((i for i, text in enumerate(texts) if text.strip()), key=lambda i: (-len(encoded[i]), i))
        found = [""] * len(texts)
        for length, places in _batches(order, [len(ids) for ids in encoded], batch_size):
            batch = self.tokenizer.pad({"input_ids": [encoded[i] for i in places]}, return_tensors="pt")
            try:
                with torch.inference_mode():
                    written = self.model.generate(
                        input_ids=batch["input_ids"].to(self.device),
                        attention_mask=batch["attention_mask"].to(self.device),
                        num_beams=num_beams,
                        do_sample=False,
                        # Enough for scripts that take many tokens, and an end for what repeats itself.
                        max_new_tokens=min(32 + 3 * length, self.max_tokens - 1),
                        **self.first(pair[1]),
                    )
            except torch.OutOfMemoryError as error:
                raise UserError(
                    f"{self.name} does not fit into the GPU's memory with {len(places)} captions at once. Give a "
                    f"smaller one: `--step translate:batch_size={max(1, batch_size // 2)}`."
                ) from error
            # M2M100's tokenizer may not know that its codes are special tokens.
            codes = set(self._marks.values())
            bare = [[token for token in ids if token not in codes] for ids in written.tolist()]
            for i, text in zip(places, self.tokenizer.batch_decode(bare, skip_special_tokens=True), strict=True):
                found[i] = " ".join(text.split())
            advance(len(places))
        return found


def _batches(order: Sequence[int], lengths: Sequence[int], size: int) -> Iterator[tuple[int, list[int]]]:
    """Cuts texts in order of their length into batches, each with the length that none of its texts exceeds.

    That length is a power of two which the text alone decides: a translation must not depend on what is beside it.
    """
    for bound, group in groupby(order, key=lambda i: max(16, 1 << (lengths[i] - 1).bit_length())):
        places = list(group)
        for begin in range(0, len(places), size):
            yield bound, places[begin : begin + size]


def _marks(tokenizer: Any) -> dict[str, int]:
    """Codes that are tokens of their own, with their ids."""
    if not hasattr(tokenizer, "src_lang"):
        return {}
    known = getattr(tokenizer, "lang_code_to_id", None)
    if not known:
        known = {token: i for token, i in tokenizer.get_vocab().items() if _CODE.fullmatch(token)}
    return {code: int(i) for code, i in sorted(known.items()) if i != tokenizer.unk_token_id}


def _prefixes(tokenizer: Any) -> dict[str, str]:
    """Codes that are said before the text, with the token that says it."""
    matches = [match for token in tokenizer.get_vocab() if (match := _PREFIX.fullmatch(token))]
    return dict(sorted((match[1] or match[2], match[0]) for match in matches))


@lru_cache(maxsize=2)
def load(name: str) -> Translator:
    """The translation model of this name; loaded once and kept.

    Args:
        name: an alias ("nllb"), the id of a seq2seq model on the hub, or a local folder.

    Raises:
        UserError: there is no such model, it cannot be had, or it does not translate; says what to do.
    """
    folder = _folder(name)
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model, info = transformers.AutoModelForSeq2SeqLM.from_pretrained(
            folder, local_files_only=True, output_loading_info=True
        )
    except Exception as error:  # a missing or damaged file surfaces as many kinds
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        raise UserError(f"{name} in {folder} cannot be loaded as a seq2seq model of transformers: {first}") from error
    if info["missing_keys"] or info["mismatched_keys"]:
        lack = sorted(info["missing_keys"])[:3] or info["mismatched_keys"]
        raise UserError(f"The weights of {name} in {folder} lack {lack}. Fetch the model again.")
    return Translator(model, tokenizer, folder.resolve().name if Path(name).is_dir() else ALIASES.get(name, name))


def _folder(name: str) -> Path:
    """Where a model's files lie: a local folder, or the hub's cache, into which they are downloaded."""
    if Path(name).is_dir():
        return Path(name)
    model = ALIASES.get(name, name)
    if not _HUB_ID.fullmatch(model):
        hint = "Or give the hub's id of a seq2seq model (organization/model), or a local folder."
        raise UnknownNameError("translation model", name, ALIASES, hint)
    import huggingface_hub as hub
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    texts = ["*.json", "*.txt", "*.model", "*.spm"]
    try:
        cached = Path(hub.snapshot_download(model, allow_patterns=texts, local_files_only=True))
        if any(cached.glob("*.safetensors")) or any(cached.glob("pytorch_model*.bin")):
            return cached
    except OSError:
        pass
    try:
        files = {s.rfilename for s in hub.HfApi().model_info(model, timeout=HUB_TIMEOUT_S).siblings or ()}
        # Older models have no safetensors; transformers reads theirs as weights only, never as code.
        safe = any(file.endswith(".safetensors") for file in files)
        weights = ["*.safetensors"] if safe else ["pytorch_model*.bin"]
        return Path(hub.snapshot_download(model, allow_patterns=[*texts, *weights], etag_timeout=HUB_TIMEOUT_S))
    except GatedRepoError as error:
        raise UserError(f"The weights of {model} are gated: accept their terms there, then `hf auth login`.") from error
    except RepositoryNotFoundError as error:
        raise UserError(f"The hub has no model {model!r} (or it is private: `hf auth login`).") from error
    except Exception as error:  # the hub's client lets through what its HTTP library raises
        raise UserError(
            f"The translation model {model} is not in the cache and the model hub cannot be reached "
            f"({type(error).__name__}). Run `hf download {model} --local-dir DIR` where there is a network, bring DIR "
            "here and name it instead: `--translate DIR`."
        ) from error


def _round_trip_metric() -> Any:
    from sacrebleu.metrics import CHRF

    # Case says nothing of the meaning, and models begin with capitals as they like.
    return CHRF(lowercase=True)


def round_trip_scores(english: Sequence[str], back: Sequence[str]) -> list[float]:
    """chrF (0 to 100) of each text that came back against the one that went out; case does not count."""
    metric = _round_trip_metric()
    return [metric.sentence_score(b, [e]).score for e, b in zip(english, back, strict=True)]


@lru_cache(maxsize=1)
def round_trip_signature() -> str:
    """sacrebleu's signature of `round_trip_scores`."""
    metric = _round_trip_metric()
    name = metric.sentence_score("a", ["a"]).name
    return f"{name}|{metric.get_signature()}"


@dataclass(frozen=True, slots=True)
class Scores:
    """How near a model's translations come to captions that people wrote.

    Attributes:
        captions: number of translated captions.
        bleu, chrf, chrf_plus: corpus BLEU, chrF2 and chrF2++, each 0 to 100.
        signatures: sacrebleu's, of the three.
    """

    captions: int
    bleu: float
    chrf: float
    chrf_plus: float
    signatures: tuple[str, str, str]

    def __str__(self) -> str:
        names = zip(("BLEU", "chrF2", "chrF2++"), (self.bleu, self.chrf, self.chrf_plus), self.signatures, strict=True)
        return ", ".join(f"{name} {score:.1f} ({signature})" for name, score, signature in names)


def score_translations(translations: Sequence[str], people: Sequence[Sequence[str]], script: str) -> Scores:
    """Scores translations against what people wrote, of which there are one or several captions for each."""
    from sacrebleu.metrics import BLEU, CHRF

    most = max(map(len, people))
    streams = [[texts[i] if i < len(texts) else None for texts in people] for i in range(most)]
    metrics = (BLEU(tokenize="char" if script in _NO_SPACES else "13a"), CHRF(), CHRF(word_order=2))
    bleu, chrf, plus = (metric.corpus_score(list(translations), streams).score for metric in metrics)
    first, second, third = (str(metric.get_signature()) for metric in metrics)
    return Scores(len(translations), bleu, chrf, plus, (first, second, third))


def score_against_people(
    translator: Translator,
    captions: Iterable[tuple[str, Sequence[str]]],
    language: Language,
    pair: tuple[str, str],
    count: int = 200,
    **how: Any,
) -> Scores | None:
    """Translates English captions of which people wrote the captions in the language too, and scores that.

    Args:
        translator: the model.
        captions: English captions, each with what people wrote for the same picture.
        language: the captions' language.
        pair: the model's codes.
        count: so many different English captions at most, chosen by a hash of their text alone.
        how: further arguments of `Translator.translate`.

    Returns:
        None where there is no such caption.
    """
    people: dict[str, dict[str, None]] = {}
    for english, written in captions:
        if english.strip() and written:
            people.setdefault(english, {}).update(dict.fromkeys(written))
    chosen = sorted(people, key=lambda text: hashlib.sha256(f"mlilt-check:{text}".encode()).digest())[:count]
    if not chosen:
        return None
    translations = translator.translate(chosen, pair, **how)
    return score_translations(translations, [tuple(people[text]) for text in chosen], language.script)
