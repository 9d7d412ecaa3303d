"""``weir incidents``: what the admin extension of a running Weir knows about incidents, and muting them."""

from __future__ import annotations

import datetime
import json
import urllib.parse
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from pipeline.admin_client import DEFAULT, Endpoint, Json, ask_admin, say

app = typer.Typer(help="Incidents that a running Weir has found.")

ENDINGS = {
    "unseen": " (no telemetry came any more: whether it is over is not known)",
    "lasting": " (it went on for so long that it is taken for usual)",
}
"""What the states that explain nothing by themselves mean."""

Id = Annotated[str, typer.Argument(metavar="ID")]
Token = Annotated[
    str,
    typer.Option("--token", envvar="WEIR_ADMIN_TOKEN", show_default=False, help="`token` of the admin extension."),
]


@app.command("list")
def list_(
    endpoint: Endpoint = DEFAULT,
    mutes: Annotated[bool, typer.Option("--mutes", help="The mutes instead.")] = False,
    as_json: Json = False,
) -> None:
    """Open incidents, then those that closed last."""
    found = ask_admin(endpoint, "GET", "mutes" if mutes else "incidents")["mutes" if mutes else "incidents"]
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for one in found:
        say(_mute_line(one) if mutes else _line(one))
    if not found:
        typer.echo("no mutes" if mutes else "no incidents")


@app.command()
def show(incident: Id, endpoint: Endpoint = DEFAULT, as_json: Json = False) -> None:
    """One incident: causes, evidence, suspects, traces."""
    one = ask_admin(endpoint, "GET", f"incidents/{_quoted(incident)}")
    if as_json:
        typer.echo(json.dumps(one, indent=2, ensure_ascii=False))
        return
    for line in _story(one):
        say(line)


@app.command()
def mute(
    incident: Id,
    duration: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="For example 2h; without it, until the pattern changes.")
    ] = "",
    reason: Annotated[str, typer.Option("--reason", help="For those who find it later.")] = "",
    endpoint: Endpoint = DEFAULT,
    token: Token = "",
) -> None:
    """Say no more about incidents like this one, until they change."""
    from pipeline.config.durations import parse_duration

    try:
        seconds = parse_duration(duration) if duration else None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    body = {"duration_seconds": seconds, "reason": reason}
    ask_admin(endpoint, "POST", f"incidents/{_quoted(incident)}/mute", body, token)
    typer.echo(f"{incident} is muted{f' for {duration}' if duration else ' until its pattern changes'}")


@app.command()
def unmute(incident: Id, endpoint: Endpoint = DEFAULT, token: Token = "") -> None:
    """Take back the mute that was made from an incident."""
    ask_admin(endpoint, "POST", f"incidents/{_quoted(incident)}/unmute", {}, token)
    typer.echo(f"{incident} is no longer muted")


def _quoted(text: str) -> str:
    return urllib.parse.quote(text, safe="")


def _line(one: Mapping[str, Any]) -> str:
    first = one["evidence"][0] if one["evidence"] else ""
    return f"{one['id']}  {one['state']:<8}  {one['severity']:<8}  {one['root_service']}  {first}".rstrip()


def _mute_line(one: Mapping[str, Any]) -> str:
    until = "until it changes" if one["until"] is None else f"until {_time(one['until'])}"
    hits = f"{one['hits']} incident{'' if one['hits'] == 1 else 's'} kept quiet"
    return "  ".join(part for part in (one["id"], until, hits, one["reason"]) if part)


def _story(one: Mapping[str, Any]) -> list[str]:
    muted = f" (muted by {one['muted_by']})" if one["muted_by"] else ""
    ended = f", closed {_time(one['closed_unix_seconds'])}" if one["closed_unix_seconds"] else ""
    detected = f"{one['time_to_detect_seconds']:.0f} s after the first evidence"
    lines = [
        f"{one['id']}: {one['state']}{ENDINGS.get(one['state'], '')}{muted}, {one['severity']}",
        f"opened {_time(one['opened_unix_seconds'])}, {detected}{ended}",
        "causes",
        *(f"  {cause['score']:6.1f}  {cause['service']}" for cause in one["causes"]),
        "evidence",
        *(f"  {sentence}" for sentence in one["evidence"]),
        f"services in alarm  {', '.join(one['services'])}",
    ]
    if one["exemplars"]:
        lines += ["traces", *(f"  {example['trace_id']}  span {example['span_id']}" for example in one["exemplars"])]
    return lines


def _time(unix_seconds: float) -> str:
    return datetime.datetime.fromtimestamp(unix_seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
