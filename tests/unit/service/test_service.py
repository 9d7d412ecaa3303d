"""What a running process says about itself."""

from pipeline import __version__
from pipeline.service.service import process_resource
from tests.unit.service.parts import checked

TEXT = """
receivers: {feed: }
exporters: {spans: }
service: {pipelines: {traces: {receivers: [feed], exporters: [spans]}}, telemetry: {resource: RESOURCE}}
"""


def resource(given: str, *uris: str) -> dict[str, str]:
    return process_resource(checked(TEXT.replace("RESOURCE", given)), uris)


def test_the_instance_id_survives_a_restart_and_differs_between_configurations() -> None:
    assert resource("{}", "a.yaml") == resource("{}", "a.yaml")
    assert resource("{}", "a.yaml")["service.instance.id"] != resource("{}", "b.yaml")["service.instance.id"]


def test_the_resource_can_be_set_and_its_defaults_removed() -> None:
    found = resource("{service.name: gateway, service.instance.id: null, zone: a}")
    assert found == {"service.name": "gateway", "service.version": __version__, "zone": "a"}
