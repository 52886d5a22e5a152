"""What became of a photo, in HTML and words; all that goes in is escaped, since photos carry texts.

Told by word and sign, never by colour alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape

from cvpire.classifiers.classifier import Prediction
from cvpire.edits.posting import CODECS_AND_SIZES
from cvpire.metrics.grades import Grade
from cvpire.rehearsal import Outcome as Rehearsed
from cvpire.reports.report import Report, Verdict
from page.orders.single import Outcome
from page.orders.watching import Progress
from page.orders.words import duration, percent

# How a change is found, if at all.
_TRACES = {
    Grade.NONE: "hard to find, even by flipping between the two",
    Grade.FAINT: "faint: found by flipping between the two at 100%",
    Grade.VISIBLE: "may be seen without looking for them; Balanced or Invisible leave less",
}


def verdict(outcome: Outcome) -> str:
    """What became of the photo: a heading, what the classifier sees now, and how visible it is."""
    report = outcome.protected.report
    kind, sign, heading, sentences = _words(report)
    facts = [] if report.verdict is not Verdict.PROTECTED else [("Traces", _traces(report))]
    return banner(kind, sign, heading, sentences, facts, outcome.photo.notes)


def _words(report: Report) -> tuple[str, str, str, list[str]]:
    """Kind, sign, heading and sentences of a verdict."""
    label = report.label.name
    if report.verdict is Verdict.NOT_NEEDED:
        return "good", "✓", "Nothing to do", [_sentence(report)]
    if report.verdict is not Verdict.PROTECTED or report.backgrounds:
        is_good = report.verdict is Verdict.PROTECTED
        heading = "Protected" if is_good else "Not protected"
        kind, sign = ("good", "✓") if is_good else ("bad", "✗")
        return kind, sign, heading, [_sentence(report)]
    first = report.after[0]
    shares = f"{percent(report.label.probability)} → {percent(report.label_probability_after)}"
    now = f"It now guesses: {first.name} ({percent(first.probability)})."
    guesses = [guess.class_index for guess in report.after]
    if report.label.class_index in guesses:
        place = _ORDINALS[guesses.index(report.label.class_index)]
        heading = f"Weakly protected: {label} is only the {place} guess now"
        return "fair", "◐", heading, [f"{label}: {shares}. {now}{_group_sentence(report)}"]
    heading = f"AI no longer sees “{label}”: {shares}"
    if report.visibility.grade is Grade.VISIBLE:
        return "fair", "◐", heading, [f"{now}{_group_sentence(report)}"]
    return "good", "✓", heading, [f"{now}{_group_sentence(report)}"]


_ORDINALS = ("first", "second", "third", "fourth", "fifth")


def _sentence(report: Report) -> str:
    """The verdict's sentence without its first words, which the heading has."""
    rest = report.sentence().partition(": ")[2] or report.sentence()
    # A classifier's name is as it is.
    is_name = rest.startswith(report.classifier)
    return rest if is_name else f"{rest[:1].upper()}{rest[1:]}"


def _group_sentence(report: Report) -> str:
    """What became of the kind of place, where the classes have one."""
    before, after = report.label, report.after[0]
    if not before.group:
        return ""
    if before.group == after.group:
        return f" Both are of the kind “{before.group}”: that is still recognised."
    return f" The kind of place went from “{before.group}” to “{after.group}”."


def _traces(report: Report) -> str:
    missing = f" ({report.visibility.unavailable})" if report.visibility.unavailable else ""
    return f"{_TRACES[report.visibility.grade]}{missing}"


def survival(outcomes: Sequence[Rehearsed]) -> str:
    """What a rehearsal found, in a sentence for each classifier."""
    attacked = [outcome for outcome in outcomes if outcome.is_attacked]
    lost = [outcome for outcome in attacked if outcome.protected.is_lost]
    kept = [
        outcome.transformation.title
        for outcome in attacked
        if not outcome.protected.is_lost and outcome.transformation is not None
    ]
    undone = f" Undone when it is {_listed(kept)}." if kept else ""
    codecs = [o for o in attacked if o.transformation and o.transformation.name in CODECS_AND_SIZES]
    held = sum(outcome.protected.is_lost for outcome in codecs)
    lines = [
        f"<b>Survives {len(lost)} of {len(attacked)}</b> things that may happen after posting "
        f"({held} of {len(codecs)} that sites do by themselves).{escape(undone)}"
    ]
    for name in dict.fromkeys(o.classifier for o in outcomes if not o.is_attacked):
        mine = next(o for o in outcomes if o.classifier == name)
        now = "no longer sees" if mine.protected.is_lost else "still sees"
        lines.append(
            f"Another AI ({escape(name)}), which this was not made for, {now} "
            f"“{escape(mine.label)}”."
        )
    return f'<div class="survival">{"".join(f"<p>{line}</p>" for line in lines)}</div>'


def _listed(titles: Sequence[str]) -> str:
    few = list(titles[:4])
    more = len(titles) - len(few)
    return ", ".join(few) + (f" or changed in {more} other ways" if more else "")


def stopped(sentence: str) -> str:
    """What stands in the verdict's place after a cancel or a deadline."""
    heading, _, rest = sentence.partition(". ")
    return banner("neutral", "■", heading, [rest])


def progress(now: Progress | None) -> str:
    """A bar with the time left; "" where nothing is in work."""
    if now is None:
        return ""
    share = "" if now.share is None else f' aria-valuenow="{round(100 * now.share)}"'
    width = 2.0 if now.share is None else 100.0 * now.share
    return (
        f'<div class="progress" role="progressbar" aria-label="The work" aria-valuemin="0" '
        f'aria-valuemax="100"{share}><div class="bar"><div style="width: {width:.1f}%"></div></div>'
        f"<p>{escape(now.sentence())}</p></div>"
    )


def waiting(before: int, seconds: float) -> str:
    """What somebody sees who waits for others."""
    if not before:
        return progress(Progress("Starting"))
    return progress(Progress(f"{before} before you, about {duration(seconds)}"))


def top5(report: Report) -> str:
    """The five highest classes of both photos as pairs of bars, the protected one first."""
    before = {guess.class_index: guess for guess in report.before}
    after = {guess.class_index: guess for guess in report.after}
    label = report.label
    rows = {label.class_index: label, **before, **after}
    chances = {
        index: (
            before[index].probability if index in before else None,
            after[index].probability if index in after else None,
        )
        for index in rows
    }
    chances[label.class_index] = (label.probability, report.label_probability_after)
    shared = {guess.name for guess in rows.values()}
    body = "".join(
        _bar_row(guess, *chances[index], with_index=len(shared) < len(rows))
        for index, guess in rows.items()
    )
    where = ", on white" if report.backgrounds else ""
    return (
        f'<table class="bars"><caption>What AI sees{where}: five guesses before and after</caption>'
        '<thead><tr><th scope="col">Guess</th><th scope="col">Before</th>'
        f'<th scope="col">After</th></tr></thead><tbody>{body}</tbody></table>'
    )


def _bar_row(
    guess: Prediction, before: float | None, after: float | None, *, with_index: bool
) -> str:
    notes = [str(guess.class_index)] if with_index else []
    notes += [guess.group] if guess.group else []
    notes += ["sensitive"] if guess.is_sensitive else []
    small = f" <small>{escape(', '.join(notes))}</small>" if notes else ""
    cells = "".join(_bar(value, kind) for value, kind in ((before, "before"), (after, "after")))
    return f'<tr><th scope="row">{escape(guess.name)}{small}</th>{cells}</tr>'


def _bar(value: float | None, kind: str) -> str:
    if value is None:
        return '<td><span class="value">below its first five</span></td>'
    width = f"{100.0 * value:.1f}%"
    return (
        f'<td><span class="bar {kind}" style="width: {width}"></span>'
        f'<span class="value">{percent(value)}</span></td>'
    )


def received(photo_size: str, notes: Iterable[str], preview: str) -> str:
    """What was read of an upload: its size, what reading changed, and a picture of it.

    Args:
        photo_size: "4,032 × 3,024 pixels".
        notes: what reading the photo changed.
        preview: an address; "" where the browser shows the file itself.
    """
    picture = f'<img src="{escape(preview)}" alt="Your photo">' if preview else ""
    lines = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return (
        f'<div class="received">{picture}<p>{escape(photo_size)}. Where and by which camera it was '
        f"taken is left out of what you download.</p>{f'<ul>{lines}</ul>' if lines else ''}</div>"
    )


def refused(sentence: str) -> str:
    """Why an upload cannot be taken."""
    return f'<div class="received refused" role="alert"><p>✗ {escape(sentence)}</p></div>'


def command(words: str) -> str:
    """A command to copy."""
    return (
        '<p class="hint">The same on the command line:</p>'
        f'<pre class="command"><code>{escape(words)}</code></pre>'
    )


def as_json(record: dict[str, object]) -> str:
    """A report as a file of text."""
    return json.dumps(record, indent=2, allow_nan=False)


def banner(
    kind: str,
    sign: str,
    heading: str,
    sentences: Iterable[str],
    facts: Iterable[tuple[str, str]] = (),
    notes: Iterable[str] = (),
) -> str:
    """A heading that can be focused, sentences, and short facts below."""
    lines = "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)
    pairs = "".join(f"<p><b>{escape(name)}:</b> {escape(value)}</p>" for name, value in facts)
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    below = f"<p>When reading the photo:</p><ul>{items}</ul>" if items else ""
    return (
        f'<div class="verdict {kind}" role="status"><h2 tabindex="-1"><span aria-hidden="true">'
        f"{sign}</span> {escape(heading)}</h2>{lines}{pairs}{below}</div>"
    )
