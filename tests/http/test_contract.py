"""The server against its own description: it answers any request as documented."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

EXAMPLES = 15
# By the description, any bytes are a file. Only reading them shows whether they hold sound.
NOT_PROMISED = [positive_data_acceptance]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "key"),
    [(GenerationMode.POSITIVE, None), (GenerationMode.NEGATIVE, None), (GenerationMode.POSITIVE, "a secret")],
)
def test_every_operation_keeps_to_its_description(start_live, mode, key):
    schema = schemathesis.openapi.from_url(f"{start_live(api_key=key)}/openapi.json")
    headers = {"Authorization": f"Bearer {key}"} if key else None
    operations = {operation.label: operation for found in schema.get_all_operations() for operation in [found.ok()]}
    assert {"POST /v1/recognitions", "GET /v1/model", "GET /v1/model/card", "GET /metrics"} <= set(operations)
    if mode is GenerationMode.NEGATIVE:  # only operations with parameters can get wrong ones
        operations = {label: found for label, found in operations.items() if label == "POST /v1/recognitions"}

    for operation in operations.values():

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case):
            case.call_and_validate(excluded_checks=NOT_PROMISED, timeout=30, headers=headers)

        check()


def test_the_description_holds_examples_and_names_no_other_host(live):
    import requests

    text = requests.get(f"{live}/openapi.json", timeout=10).text
    assert '"examples"' in text
    assert "http://" not in text
    assert "https://" not in text
