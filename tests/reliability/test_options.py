"""Any document as a configuration: options that fit, or one sentence that names the key."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reliability.configs import complaint, documents, names

from acdm.core.config import Config
from acdm.core.options import read_yaml
from acdm.errors import ConfigError


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents())
def test_a_document_is_options_or_a_sentence_that_names_a_key(document):
    said = complaint(document)
    assert said is None or ("\n" not in said and any(str(name) in said for name in names(document)))


def said_of(path, content):
    """What is said against a file; None where it is taken."""
    path.write_bytes(content)
    try:
        Config.of(read_yaml(path))
    except ConfigError as error:
        return str(error)
    return None


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.one_of(st.text(max_size=60).map(lambda t: t.encode("utf-8", "replace")), st.binary(max_size=60)))
def test_a_file_of_anything_is_options_or_a_sentence(tmp_path, content):
    said = said_of(tmp_path / "options.yaml", content)
    assert said is None or "\n" not in said


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("loss: !!python/object/apply:os.system ['touch {canary}']", "not valid YAML"),
        ("_target_: os.system\ncommand: touch {canary}", "_target_: no such option"),
        ("loss: " + "[" * 100_000, "nested too deep"),
        ("a: &a [x, x, x]\nb: &b [*a, *a, *a]\nc: &c [*b, *b, *b]\nd: [*c, *c, *c]", "aliases are not read"),
        ("loss: &x {rec: *x}", "aliases are not read"),
        ("seed: " + "9" * 5000, "not valid YAML"),
    ],
)
def test_a_yaml_file_that_means_harm_makes_no_objects(tmp_path, content, words):
    canary = tmp_path / "canary"
    assert words in said_of(tmp_path / "options.yaml", content.replace("{canary}", str(canary)).encode())
    assert not canary.exists()
