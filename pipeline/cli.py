"""The command ``weir``.

``weir run`` is the default: ``weir --config x.yaml`` runs too, as otelcol does. Exit status: 0 after a clean stop, 1
when the configuration is wrong or the start fails, 2 for a wrong command line. Imports are inside the commands, because
``weir --version`` should not wait for numpy.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, cast

import typer

from pipeline import __version__, incidents_command, series_command
from pipeline.errors import ConfigError, WeirError

if TYPE_CHECKING:
    from pipeline.config.check import Checked
    from pipeline.config.document import Document

app = typer.Typer(
    help="An OpenTelemetry pipeline processor: RED metrics and the service graph from OTLP spans.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Config = Annotated[
    list[str] | None,
    typer.Option(
        "--config",
        metavar="URI",
        help="Configuration: a path, file:path, env:NAME or yaml:text. Repeatable; later ones override earlier ones.",
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Override one value, for example a.b.c=1. Repeatable, applied last."
    ),
]
Drain = Annotated[
    float, typer.Option("--drain-timeout", metavar="SECONDS", help="How long to finish requests under way on SIGTERM.")
]


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    config: Config = None,
    overrides: Set = None,
    drain_timeout: Drain = 20.0,
    version: Annotated[bool, typer.Option("--version", "-v", help="Print the version.")] = False,
) -> None:
    """Run the pipelines of a configuration."""
    if version:
        typer.echo(f"weir version {__version__}")
    elif context.invoked_subcommand is None:
        if not config and not overrides:
            typer.echo(context.get_help())
            raise typer.Exit(1)
        _run(config, overrides, drain_timeout)
    elif config or overrides:
        context.obj = (config, overrides)


@app.command()
def run(context: typer.Context, config: Config = None, overrides: Set = None, drain_timeout: Drain = 20.0) -> None:
    """Run until SIGTERM or SIGINT."""
    _run(*_sources(context, config, overrides), drain_timeout)


@app.command()
def validate(context: typer.Context, config: Config = None, overrides: Set = None) -> None:
    """Check a configuration and print every mistake."""
    checked = _checked(*_sources(context, config, overrides))
    with _reported():
        from pipeline.service.clock import SystemClock
        from pipeline.service.graph import build_graph
        from pipeline.telemetry import OwnMetrics

        build_graph(checked, SystemClock(), OwnMetrics(), {})
    for warning in checked.warnings:
        typer.echo(f"warning: {warning}", err=True)


@app.command("print-config")
def print_config(
    context: typer.Context,
    config: Config = None,
    overrides: Set = None,
    output: Annotated[str, typer.Option("--format", help="yaml or json.")] = "yaml",
    mode: Annotated[str, typer.Option("--mode", help="redacted or unredacted.")] = "redacted",
    check: Annotated[bool, typer.Option("--validate/--no-validate", help="Stop at mistakes.")] = True,
) -> None:
    """Print the configuration after merging and expanding, defaults included, secrets redacted.

    It is a configuration again, and means the same. Where a secret was stands [REDACTED], which validate warns about;
    --mode unredacted prints the secrets too.
    """
    if output not in {"yaml", "json"} or mode not in {"redacted", "unredacted"}:
        raise typer.BadParameter("--format is yaml or json, --mode is redacted or unredacted")
    uris, values = _sources(context, config, overrides)
    with _reported():
        from pipeline.config.effective import effective, redact, to_yaml, without_variables

        document = _document(uris, values)
        reveal = mode == "unredacted"
        shown: Any = effective(_check(document), reveal=reveal) if check else document.root.plain()
        if not reveal:
            shown = redact(shown)
        shown = without_variables(shown)
    typer.echo(f"{json.dumps(shown, indent=2)}\n" if output == "json" else to_yaml(shown), nl=False)


components_app = typer.Typer(help="What can be used in a configuration.", invoke_without_command=True)
app.add_typer(components_app, name="components")


@components_app.callback()
def components(context: typer.Context) -> None:
    """List all components, with the signals they handle and the package they come from."""
    if context.invoked_subcommand is None:
        from pipeline.config.printing import list_components
        from pipeline.service.registry import Registry

        with _reported():
            typer.echo(list_components(Registry()), nl=False)


@components_app.command()
def show(name: str) -> None:
    """Show the configuration of a component: keys, types, defaults and meaning."""
    from pipeline.config.printing import show_component
    from pipeline.service.registry import Registry

    with _reported():
        typer.echo(show_component(Registry(), name), nl=False)


rules_app = typer.Typer(help="Prometheus rules over Weir's metrics.")
app.add_typer(rules_app, name="rules")


@rules_app.command("generate")
def generate_rules(
    context: typer.Context,
    config: Config = None,
    overrides: Set = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file instead of standard output.")] = None,
    runbooks: Annotated[
        str, typer.Option("--runbooks", metavar="URL", help="Where docs/runbooks is.")
    ] = "docs/runbooks",
    grafana: Annotated[str, typer.Option("--grafana", metavar="URL", help="Where Grafana is.")] = "",
    job: Annotated[str, typer.Option("--job", help="Job that scrapes Weir's own metrics.")] = "weir",
    operator: Annotated[bool, typer.Option("--operator", help="A PrometheusRule for Kubernetes.")] = False,
) -> None:
    """Recording and alerting rules for services, for the objectives of ``slo``, and for Weir itself."""
    uris, values = _sources(context, config, overrides)
    from pipeline.promql.flavour import Flavour
    from pipeline.rules.document import flavour_of, objectives_of, rule_file
    from pipeline.rules.rule import Links

    flavour, objectives = Flavour(), []
    if uris or values:
        checked = _checked(uris, values)
        flavour, objectives = flavour_of(checked), objectives_of(checked)
    text = rule_file(flavour, objectives, Links(runbooks.rstrip("/"), grafana.rstrip("/")), job, operator=operator)
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text)


@rules_app.command()
def openslo(
    context: typer.Context,
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE", help="OpenSLO v1 documents.")] = None,
    config: Config = None,
    overrides: Set = None,
) -> None:
    """OpenSLO documents to a section ``slo``; with ``--config``, the objectives of a configuration to OpenSLO."""
    import yaml

    from pipeline.rules.document import flavour_of, objectives_of
    from pipeline.rules.openslo import from_openslo, to_openslo

    uris, values = _sources(context, config, overrides)
    if bool(files) == bool(uris):
        raise typer.BadParameter("give either files or --config")
    if uris:
        checked = _checked(uris, values)
        documents = to_openslo(objectives_of(checked), flavour_of(checked))
        typer.echo(yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True, width=10_000), nl=False)
        return
    with _reported():
        found = from_openslo([one for file in files or () for one in yaml.safe_load_all(file.read_text())])
        section = {"slo": {"objectives": found}}
        typer.echo(yaml.safe_dump(section, sort_keys=False, allow_unicode=True, width=10_000), nl=False)


dashboards_app = typer.Typer(help="Grafana dashboards over Weir's metrics.")
app.add_typer(dashboards_app, name="dashboards")


@dashboards_app.command("export")
def export_dashboards(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write them.")],
    naming: Annotated[str, typer.Option("--naming", help="otelcol or tempo, as in span_metrics.")] = "otelcol",
    unit: Annotated[str, typer.Option("--unit", help="s or ms: histogram.unit of span_metrics.")] = "s",
    histograms: Annotated[str, typer.Option("--histograms", help="classic or native.")] = "classic",
    edition: Annotated[
        str, typer.Option("--edition", help="provisioning, or import: Grafana asks for the data source.")
    ] = "provisioning",
    datasource: Annotated[str, typer.Option("--datasource", metavar="UID", help="Chosen at first.")] = "",
    min_step: Annotated[str, typer.Option("--min-step", help="Chosen at first: the scrape interval or more.")] = "",
) -> None:
    """Write six dashboards as JSON."""
    from dashboards.export import Edition, export

    choices = ((naming, ("otelcol", "tempo")), (unit, ("s", "ms")), (histograms, ("classic", "native")))
    for given, known in (*choices, (edition, ("provisioning", "import"))):
        if given not in known:
            raise typer.BadParameter(f'"{given}" is not one of {", ".join(known)}')
    if naming == "tempo" and unit != "s":
        raise typer.BadParameter("Tempo's latency is in seconds: leave --unit out")
    flavour = f"{naming}{'-ms' if unit == 'ms' else ''}-{histograms}"
    for path in export(flavour, directory, edition=cast("Edition", edition), datasource=datasource, min_step=min_step):
        typer.echo(path)


app.add_typer(incidents_command.app, name="incidents")
app.command("series")(series_command.series)


@app.command()
def replay(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="What the file exporter wrote. Repeatable.")],
    endpoint: Annotated[
        str, typer.Option("--to", metavar="ENDPOINT", help="host:port for gRPC, http://host:port for HTTP.")
    ] = "localhost:4317",
    speed: Annotated[str, typer.Option("--speed", help="full or recorded.")] = "full",
    signal: Annotated[
        str, typer.Option("--signal", help="What files of format proto hold: traces, metrics or logs.")
    ] = "traces",
) -> None:
    """Send recorded telemetry to an OTLP destination again, and show the progress."""
    if speed not in {"full", "recorded"} or signal not in {"traces", "metrics", "logs"}:
        raise typer.BadParameter("--speed is full or recorded, --signal is traces, metrics or logs")
    from pipeline.replay import replay as run_replay
    from pipeline.service.clock import SystemClock

    try:
        status = run_replay(files, endpoint, SystemClock(), recorded=speed == "recorded", signal=signal)
    except OSError as error:
        _fail(WeirError(f"{error.filename}: {error.strerror}"))
    raise typer.Exit(status)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
def demo(context: typer.Context) -> None:
    """Run the pipeline on simulated services and watch it in the terminal."""
    from pipeline.demo.command import main as run_demo

    raise typer.Exit(run_demo(context.args))


def main() -> None:
    """Entry point of the command."""
    # numpy's BLAS, which nothing here uses, starts threads that spin: 5 % of the CPU of a start were seen. Before numpy
    # is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    app(prog_name="weir")


class _reported:  # noqa: N801 - reads as a word where it is used
    """Turns Weir's own errors into messages and exit status 1."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, WeirError):
            _fail(error)


def _fail(error: WeirError) -> NoReturn:
    problems = error.problems if isinstance(error, ConfigError) else [str(error)]
    heading = "the configuration cannot be used" if isinstance(error, ConfigError) else "cannot start"
    print(f"weir: {heading}:", file=sys.stderr)  # noqa: T201 - the answer of a command
    for problem in problems:
        print(f"  {problem}", file=sys.stderr)  # noqa: T201
    raise SystemExit(1)


def _sources(
    context: typer.Context, config: list[str] | None, overrides: list[str] | None
) -> tuple[list[str], list[str]]:
    """Options may stand before or behind the name of the command."""
    before: tuple[list[str] | None, list[str] | None] = context.obj or (None, None)
    return [*(before[0] or []), *(config or [])], [*(before[1] or []), *(overrides or [])]


def _document(uris: list[str], overrides: list[str]) -> Document:
    from pipeline.config.load import load_document

    return load_document(uris, overrides)


def _check(document: Document) -> Checked:
    from pipeline.config.check import check
    from pipeline.service.registry import Registry

    return check(document, Registry())


def _checked(uris: list[str], overrides: list[str]) -> Checked:
    with _reported():
        return _check(_document(uris, overrides))
    raise AssertionError("_reported exits")


def _run(config: list[str] | None, overrides: list[str] | None, drain_timeout: float) -> None:
    uris = config or []
    with _reported():
        from pipeline.service.runner import run as run_service

        raise SystemExit(run_service(lambda: _check(_document(uris, overrides or [])), uris, drain_timeout))
