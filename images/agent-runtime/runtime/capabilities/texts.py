"""Work on plain text."""

import re

from runtime.capabilities import inputs
from runtime.http1 import Json

WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
SENTENCE_END = re.compile(r"[.!?]+(?:\s|$)")
HEADING = re.compile(r"^(#{1,6})\s+(.*\S)\s*$", re.MULTILINE)
COMMON_WORDS = 5


def text_statistics(value: Json) -> Json:
    """TEXT → its characters, lines, words, sentences, mean word length and commonest words."""
    text = inputs.text(value)
    words = [word.lower() for word in WORD.findall(text)]
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    commonest = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:COMMON_WORDS]
    return {
        "characters": len(text),
        "lines": len(text.splitlines()),
        "words": len(words),
        "distinct_words": len(counts),
        "sentences": max(len(SENTENCE_END.findall(text)), 1 if words else 0),
        "mean_word_length": inputs.tidy(sum(map(len, words)) / len(words)) if words else 0,
        "commonest": [{"word": word, "count": count} for word, count in commonest],
    }


def outline(value: Json) -> Json:
    """Markdown TEXT → its headings with their levels, and a linked table of contents."""
    headings = [(len(marks), title) for marks, title in HEADING.findall(inputs.text(value))]
    top = min((level for level, _ in headings), default=1)
    contents = [f"{'  ' * (level - top)}- [{title}](#{_anchor(title)})" for level, title in headings]
    return {
        "headings": [{"level": level, "title": title} for level, title in headings],
        "table_of_contents": "\n".join(contents),
    }


def best_match(value: Json) -> Json:
    """{question, articles: {TITLE: TEXT}} → the articles that share words with the question, best first."""
    request = inputs.fields(value)
    wanted = _vocabulary(inputs.text(request.get("question"), "question"))
    scores: list[tuple[float, str]] = []
    for title, body in inputs.fields(request.get("articles"), "articles").items():
        known = _vocabulary(f"{title} {inputs.text(body, f'articles.{title}')}")
        shared = len(wanted & known)
        if shared:
            scores.append((shared / len(wanted | known), title))
    scores.sort(key=lambda item: (-item[0], item[1]))
    return {"matches": [{"title": title, "score": inputs.tidy(score)} for score, title in scores]}


def prompt_within_budget(value: Json) -> Json:
    """{instruction, context: [TEXT], budget: WORDS} → a prompt of what fits, in order."""
    request = inputs.fields(value)
    instruction = inputs.text(request.get("instruction"), "instruction")
    budget = inputs.number(request.get("budget"), "budget", least=0)
    used = len(instruction.split())
    kept: list[str] = []
    left_out: list[Json] = []
    for index, text in enumerate(inputs.texts(request.get("context", []), "context")):
        size = len(text.split())
        if used + size <= budget:
            kept.append(text)
            used += size
        else:
            left_out.append(index)
    return {"prompt": "\n\n".join([*kept, instruction]), "words": used, "left_out": left_out}


def _vocabulary(text: str) -> set[str]:
    return {word.lower() for word in WORD.findall(text)}


def _anchor(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
