from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from autoscaler.errors import UsageError
from autoscaler.settings import LogFormat, LogLevel, Settings, SourceKind, load_settings, variables


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A way to write a settings file into the working directory."""
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> str:
        (tmp_path / "settings.yaml").write_text(text)
        return "settings.yaml"

    return write


def refused(*arguments) -> str:
    """Return what the settings are refused with."""
    with pytest.raises(UsageError) as raised:
        load_settings(*arguments)
    return str(raised.value)


def test_the_defaults_need_no_file_and_no_environment():
    """What the daemon does when nobody says anything."""
    settings = load_settings(None, {})
    assert settings == Settings.model_validate({})
    assert (settings.interval_seconds, settings.jitter_seconds, settings.dry_run) == (15.0, 1.0, False)
    assert (settings.source, settings.log_format, settings.log_level) == (
        SourceKind.PROMETHEUS,
        LogFormat.AUTO,
        LogLevel.INFO,
    )
    assert (settings.documents, settings.rule_files, settings.namespaces, settings.journal) == ((), (), (), None)
    assert (settings.listen.host, settings.listen.port) == ("0.0.0.0", 8080)
    assert settings.prometheus.url == "http://localhost:9090"
    deadlines = settings.deadlines
    assert deadlines.observe_seconds + deadlines.collect_seconds + deadlines.act_seconds < settings.interval_seconds


def test_the_environment_wins_over_the_file_field_by_field(file):
    """A variable replaces one field, and its neighbours in the group stay as the file has them."""
    path = file(
        "interval_seconds: 30\n"
        "source: scrape\n"
        "documents: [/etc/autoscaler]\n"
        "prometheus:\n  url: http://from-the-file:9090\n  query_deadline_seconds: 2\n"
    )
    settings = load_settings(
        path,
        {
            "AUTOSCALER_INTERVAL_SECONDS": "20",
            "AUTOSCALER_PROMETHEUS__URL": "https://from-the-environment/prometheus",
            "autoscaler_dry_run": "true",
            "AUTOSCALER_DOCUMENTS": "a.yaml, folder",
            "AUTOSCALER_NAMESPACES": '["x", "y"]',
            "AUTOSCALER_RULE_FILES": "",
            "AUTOSCALER_LISTEN": '{"port": 0}',
            "HOME": "/nowhere",
        },
    )
    assert settings.interval_seconds == 20.0
    assert settings.prometheus.url == "https://from-the-environment/prometheus"
    assert settings.prometheus.query_deadline_seconds == 2.0
    assert (settings.source, settings.dry_run, settings.listen.port) == (SourceKind.SCRAPE, True, 0)
    assert settings.documents == (Path("a.yaml"), Path("folder"))
    assert (settings.namespaces, settings.rule_files) == (("x", "y"), ())


def test_the_process_environment_is_read_by_default(monkeypatch):
    """Without an argument, the variables of the process."""
    monkeypatch.setenv("AUTOSCALER_LISTEN__PORT", "9999")
    assert load_settings().listen.port == 9999


@pytest.mark.parametrize(
    ("variable", "value", "start"),
    [
        (
            "AUTOSCALER_PROMETHEUS_URL",
            "x",
            "is no setting; did you mean AUTOSCALER_PROMETHEUS__URL?; known: AUTOSCALER_",
        ),
        ("AUTOSCALER_INTERVALL_SECONDS", "x", "is no setting; did you mean AUTOSCALER_INTERVAL_SECONDS?; known: "),
        ("autoscaler_jitter", "x", "is no setting; did you mean AUTOSCALER_JITTER_SECONDS?"),
        ("AUTOSCALER_", "x", "is no setting"),
        ("AUTOSCALER_LISTEN__PORT__X", "1", "is no setting; did you mean AUTOSCALER_LISTEN__PORT?"),
        ("AUTOSCALER_LISTEN_PORT", "9000", "is no setting; did you mean AUTOSCALER_LISTEN__PORT?"),
        (
            "AUTOSCALER_LISTEN__PORT",
            "abc",
            "must be a valid integer, unable to parse string as an integer (found 'abc')",
        ),
        ("AUTOSCALER_LISTEN__PORT", "65536", "must be less than or equal to 65535 (found '65536')"),
        ("AUTOSCALER_INTERVAL_SECONDS", "0", "must be greater than or equal to 1 (found '0')"),
        ("AUTOSCALER_INTERVAL_SECONDS", "nan", "must be "),
        ("AUTOSCALER_SOURCE", "promethus", "must be 'prometheus' or 'scrape' (found 'promethus')"),
        ("AUTOSCALER_DRY_RUN", "perhaps", "must be a valid boolean"),
        ("AUTOSCALER_PROMETHEUS", "{x", "must be JSON: Expecting property name"),
        ("AUTOSCALER_NAMESPACES", "[x", "expecting value: line 1 column 2 (char 1) (found '[x')"),
        ("AUTOSCALER_PROMETHEUS__URL", "http://u:p@h", "must hold no password: use username_file and password_file"),
        ("AUTOSCALER_PROMETHEUS__URL", "prometheus:9090", "must be an address such as http://prometheus:9090 (found"),
    ],
)
def test_a_wrong_variable_is_named_with_what_is_allowed(variable, value, start):
    """A mistyped variable is an error, never silence; so is a value out of range."""
    assert refused(None, {variable: value}).startswith(f"environment variable {variable}: {start}")


def test_variables_that_kubernetes_makes_for_a_service_are_left_alone():
    """A Service called autoscaler gives every pod these; they must not stop the daemon."""
    made = {
        "AUTOSCALER_SERVICE_HOST": "10.0.0.1",
        "AUTOSCALER_SERVICE_PORT": "8080",
        "AUTOSCALER_SERVICE_PORT_METRICS": "8080",
        "AUTOSCALER_PORT": "tcp://10.0.0.1:8080",
        "AUTOSCALER_PORT_8080_TCP": "tcp://10.0.0.1:8080",
        "AUTOSCALER_PORT_8080_TCP_PROTO": "tcp",
        "AUTOSCALER_PORT_8080_TCP_PORT": "8080",
        "AUTOSCALER_PORT_8080_TCP_ADDR": "10.0.0.1",
        "AUTOSCALER_METRICS_SERVICE_HOST": "10.0.0.2",
        "AUTOSCALER_NO_NUMBA": "1",
    }
    assert load_settings(None, made) == load_settings(None, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("interval_second: 5\n", "settings.yaml: interval_second: unknown field; did you mean interval_seconds?"),
        ("listen: {prt: 5}\n", "settings.yaml: listen.prt: unknown field; did you mean port?; known here: host, port"),
        ("listen: 5\n", "settings.yaml: listen: must be a valid dictionary"),
        ("jitter_seconds: 15\n", "settings.yaml: jitter_seconds (15) must be below interval_seconds (15)"),
        ("prometheus: {token_file: a, username_file: b, password_file: c}\n",
         "settings.yaml: prometheus: must have a token_file or a username_file, not both"),
        ("prometheus: {username_file: b}\n", "settings.yaml: prometheus: username_file and password_file belong"),
        ("prometheus: {scrape_interval_seconds: 60}\n",
         "settings.yaml: prometheus: rate_window_seconds (120) must be at least 4 times scrape_interval_seconds (60)"),
        ("- 1\n", "settings.yaml: must be a mapping, not a list"),
        ("a: [\n", "settings.yaml: must be YAML: while parsing a flow node"),
        ("1: 2\n", "settings.yaml: 1: unknown field; known here: "),
    ],
)  # fmt: skip
def test_a_wrong_file_is_named_with_key_path_and_what_is_allowed(file, text, message):
    """File, key path, value, range: as for documents."""
    assert refused(file(text), {}).startswith(f"settings file {message}")


def test_a_missing_file_is_an_error(tmp_path):
    """Settings that were asked for and are not there."""
    assert refused(tmp_path / "absent.yaml", {}) == (
        f"settings file {tmp_path / 'absent.yaml'}: cannot be read: No such file or directory"
    )


def test_an_empty_file_is_all_defaults(file):
    """Only comments in it."""
    assert load_settings(file("# nothing yet\n"), {}) == load_settings(None, {})


def test_every_fault_is_told_at_once(file):
    """Two in the file, one in the environment, each with where it came from."""
    message = refused(file("source: x\nlisten: {port: -1}\n"), {"AUTOSCALER_LOG_LEVEL": "loud"})
    assert sorted(line.split(": ")[0] + ": " + line.split(": ")[1].split(":")[0] for line in message.splitlines()) == [
        "environment variable AUTOSCALER_LOG_LEVEL: must be 'debug', 'info', 'warning' or 'error' (found 'loud')",
        "settings file settings.yaml: listen.port",
        "settings file settings.yaml: source",
    ]


def test_without_a_file_a_fault_names_none():
    """Two variables that do not fit together: no file is blamed."""
    message = refused(None, {"AUTOSCALER_INTERVAL_SECONDS": "2", "AUTOSCALER_JITTER_SECONDS": "2"})
    assert message == "settings: jitter_seconds (2) must be below interval_seconds (2)"


def test_a_password_in_an_address_is_not_repeated():
    """Somebody will write one, and logs are read by many."""
    message = refused(None, {"AUTOSCALER_PROMETHEUS__URL": "ftp://user:secret@host"})
    assert "secret" not in message
    assert "ftp://...@host" in message


def test_every_field_says_its_meaning_and_default():
    """The reference page is made of these."""
    silent = [name for name, field in Settings.model_fields.items()
              if not field.description and not hasattr(field.annotation, "model_fields")]  # fmt: skip
    for group in ("prometheus", "scrape", "kubernetes", "listen", "deadlines"):
        fields = Settings.model_fields[group].annotation.model_fields
        silent += [f"{group}.{name}" for name, field in fields.items() if "Default" not in (field.description or "")]
    assert silent == []
    assert "AUTOSCALER_PROMETHEUS__TOKEN_FILE" in variables()


def test_importing_the_settings_loads_no_client():
    """Start-up stays fast: neither Kubernetes nor requests nor numpy comes along."""
    code = "import sys, autoscaler.settings; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"kubernetes", "requests", "numpy", "rich", "typer"} & set(done.stdout.split())
