"""`backhaul deploy`, against the sandbox Render over a socket."""

import json
import signal
import socket
import time
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from backhaul.cli.app import app
from backhaul.cli.deploy import followed
from backhaul.cli.output import Output
from backhaul.cli.render.api import RenderApi
from backhaul.cli.render.facts import deploy_of, runs_of, service_of
from backhaul.errors import BackhaulError, ConfigError, SourceChanged, TransientError
from backhaul.retry import Budget
from backhaul.sandbox.render.account import SandboxRender
from backhaul.sandbox.render.server import RenderFault
from tests.cli.shop import Shop

QUICK = Budget(attempts=3, seconds=20, first_wait_s=0.01, longest_wait_s=3)
HOUR = timedelta(hours=1)


@pytest.fixture
def sandbox():
    with SandboxRender() as running:
        yield running


@pytest.fixture
def api(sandbox):
    with RenderApi(sandbox.url, sandbox.key, patience=QUICK, sleep=lambda seconds: None) as opened:
        yield opened


class Called:
    """`backhaul deploy` in this process, with these settings alone."""

    def __init__(self, folder, settings, monkeypatch):
        for name in ("RENDER_API_KEY", "RENDER_API_URL"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {**settings, "BACKHAUL_HOME": str(folder)}.items():
            monkeypatch.setenv(name, value)

    def __call__(self, *arguments):
        return CliRunner().invoke(app, ["deploy", *arguments])


@pytest.fixture
def deploy(tmp_path, sandbox, monkeypatch):
    return Called(tmp_path, sandbox.settings, monkeypatch)


@pytest.fixture(autouse=True)
def sigterm_as_before():
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def posts(sandbox):
    return [call for call in sandbox.calls if call.method == "POST"]


# Services.


def test_services_are_listed_with_the_schedule_of_the_cron_service(deploy):
    done = deploy("services")

    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0].split("  ")[0] == "service"
    assert any("andalan" in line and "cron job" in line and "0 1,11 * * *" in line for line in lines)


def test_services_beyond_the_first_page_are_found(sandbox, api):
    for number in range(205):
        sandbox.add_service(f"service-{number:03}")

    names = [service.name for service in api.services()]

    assert len(names) == 207
    assert api.service("service-204").id == sandbox.service_id("service-204")


def test_a_service_that_is_not_there_is_told_with_those_that_are(deploy):
    done = deploy("status", "andalas")

    assert done.exit_code == 2
    assert "there is no service andalas" in done.stderr
    assert "andalan, portal" in done.stderr


def test_a_name_that_two_services_have_asks_for_an_id(sandbox, api):
    second = sandbox.add_service("portal")

    with pytest.raises(ConfigError, match="2 services") as caught:
        api.service("portal")

    assert second in caught.value.next_step
    assert api.service(second).id == second


# Starting a deploy.


def test_a_deploy_is_followed_to_its_end(tmp_path, sandbox):
    shop = Shop(tmp_path, sandbox.settings)

    done = shop.call("deploy", "start", "andalan", "--follow")

    assert done.returncode == 0
    assert "live" in done.stdout
    told = done.stderr
    assert told.index("build in progress") < told.index("update in progress") < told.rindex("live")
    assert posts(sandbox)[0].body == {"clearCache": "do_not_clear"}


def test_a_deploy_that_fails_ends_with_1(deploy, sandbox):
    sandbox.ways.append(("created", "build_failed"))

    done = deploy("start", "andalan", "--clear-cache", "--follow", "--json")

    assert done.exit_code == 1
    document = json.loads(done.stdout)
    assert document["deploy"]["status"] == "build_failed"
    assert document["exit_code"] == 1
    assert posts(sandbox)[0].body == {"clearCache": "clear"}


def test_without_follow_it_ends_when_the_deploy_is_on_its_way(deploy, sandbox):
    done = deploy("start", "andalan", "--json")

    assert done.exit_code == 0
    assert json.loads(done.stdout)["deploy"]["status"] == "created"


LOST = [RenderFault.CUT_AFTER, RenderFault.UNAVAILABLE_AFTER, RenderFault.NOT_JSON_AFTER]


@pytest.mark.parametrize("fault", LOST)
def test_a_deploy_whose_answer_is_lost_is_found_and_not_triggered_again(sandbox, api, fault):
    sandbox.faults.add(fault, method="POST")
    service = api.service("andalan")

    begun = api.start(service, clear_cache=False)

    assert len(posts(sandbox)) == 1
    assert begun.id == sandbox.deploys_of(service.id)[-1]["id"]
    assert len(sandbox.deploys_of(service.id)) == 2


@pytest.mark.parametrize("fault", [RenderFault.CUT_BEFORE, RenderFault.SERVER_ERROR, RenderFault.NOT_JSON])
def test_a_deploy_that_may_not_have_started_is_not_triggered_again_either(sandbox, api, fault):
    sandbox.faults.add(fault, method="POST")
    service = api.service("andalan")

    with pytest.raises(TransientError, match="was not triggered again") as caught:
        api.start(service, clear_cache=False)

    assert len(posts(sandbox)) == 1
    assert "backhaul deploy status andalan" in caught.value.next_step


def test_a_deploy_that_another_one_precedes_is_found_in_the_list(sandbox, api):
    sandbox.is_queueing = True

    begun = api.start(api.service("andalan"), clear_cache=False)

    assert begun.status == "created"
    assert begun.trigger == "api"


def test_a_write_that_was_not_taken_is_sent_again(sandbox, api):
    sandbox.faults.add(RenderFault.TOO_MANY_REQUESTS, method="POST", seconds=0.05)
    service = api.service("andalan")

    api.start(service, clear_cache=False)

    assert [call.status for call in posts(sandbox)] == [429, 201]
    assert len(sandbox.deploys_of(service.id)) == 2


def test_who_stops_following_is_told_that_the_deploy_goes_on(tmp_path, sandbox):
    sandbox.ways.append(("created", *["build_in_progress"] * 1000))
    shop = Shop(tmp_path, sandbox.settings)

    with shop.start("deploy", "start", "andalan", "--follow") as process:
        assert process.stderr is not None
        told = "".join(line for _, line in zip(range(2), process.stderr, strict=False))
        process.send_signal(signal.SIGINT)
        out, rest = process.communicate(timeout=20)

    assert process.returncode == 130
    assert "goes on without this command" in told
    assert "goes on: backhaul deploy status andalan" in rest
    assert "run again" not in out + rest
    assert len(posts(sandbox)) == 1


def test_a_status_word_that_nobody_knows_is_shown_and_waited_for(sandbox, api, capsys):
    sandbox.ways.append(("created", "warming_up", "live"))
    service = api.service("andalan")

    ended = followed(api, service, api.start(service, clear_cache=False), Output(), sleep=lambda seconds: None)

    assert ended.status == "live"
    assert "warming up" in capsys.readouterr().err


def test_an_unknown_word_with_an_end_is_an_end(sandbox, api):
    sandbox.ways.append(("created", "abandoned"))
    service = api.service("andalan")

    ended = followed(api, service, api.start(service, clear_cache=False), Output(), sleep=lambda seconds: None)

    assert ended.status == "abandoned"


def test_a_deploy_that_does_not_end_is_left_after_an_hour(sandbox, api):
    sandbox.ways.append(("created", *["build_in_progress"] * 1000))
    service = api.service("andalan")
    passed = iter(range(0, 100_000, 60))

    with pytest.raises(TransientError, match="still build in progress after 60 minutes"):
        followed(
            api,
            service,
            api.start(service, clear_cache=False),
            Output(),
            sleep=lambda seconds: None,
            clock=lambda: next(passed),
        )


def test_a_follower_gives_up_when_render_is_gone(sandbox, api):
    service = api.service("andalan")
    begun = api.start(service, clear_cache=False)
    sandbox.faults.add(RenderFault.SERVER_ERROR, method="GET", times=99)

    with pytest.raises(TransientError, match="answers 500"):
        followed(api, service, begun, Output(), sleep=lambda seconds: None)


def test_a_follower_outlives_a_bad_moment(sandbox, api):
    service = api.service("andalan")
    begun = api.start(service, clear_cache=False)
    for fault in (RenderFault.SERVER_ERROR, RenderFault.CUT_BEFORE, RenderFault.NOT_JSON):
        sandbox.faults.add(fault, method="GET")
        sandbox.faults.add(RenderFault.UNAVAILABLE_AFTER, method="GET")

    ended = followed(api, service, begun, Output(), sleep=lambda seconds: None)

    assert ended.status == "live"


# Looking.


def test_the_status_of_a_cron_service_tells_its_last_deploy_and_run(deploy):
    done = deploy("status", "andalan")

    assert done.exit_code == 0
    assert "schedule     0 1,11 * * * (UTC)" in done.stdout
    assert "last deploy  live" in done.stdout
    assert "last run     successful" in done.stdout
    assert "took 60 s" in done.stdout


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ({"nonZeroExit": 3}, "exit code 3: partly done, or something is pending"),
        ({"nonZeroExit": 77}, "exit code 77"),
        ({"oomKilled": {"memoryLimit": "512Mi"}}, "out of memory (limit 512Mi)"),
        ({"timedOutSeconds": 43200}, "took longer than 43200 s"),
        ({"evicted": True}, "evicted by Render"),
    ],
)
def test_why_the_last_run_failed_is_said_in_words(deploy, sandbox, reason, words):
    sandbox.add_run(sandbox.service_id("andalan"), "unsuccessful", reason=reason)

    document = json.loads(deploy("status", "andalan", "--json").stdout)

    assert document["run"]["status"] == "unsuccessful"
    assert document["run"]["why"] == words


def test_a_run_that_has_not_ended_is_running(sandbox, api):
    sandbox.add_run(sandbox.service_id("andalan"), None)

    runs = api.runs(api.service("andalan"))

    assert [run.status for run in runs] == ["running", "successful"]


def test_the_events_may_come_in_any_order(sandbox, api):
    events = [
        {"type": "cron_job_run_ended", "timestamp": "2025-09-12T11:01:00Z", "details": {"cronJobRunId": "b"}},
        {"type": "deploy_ended", "timestamp": "2025-09-12T11:00:30Z", "details": {}},
        {"type": "cron_job_run_started", "timestamp": "2025-09-12T11:00:00Z", "details": {"cronJobRunId": "b"}},
        {
            "type": "cron_job_run_ended",
            "timestamp": "2025-09-12T01:01:00Z",
            "details": {"cronJobRunId": "a", "status": "successful"},
        },
    ]

    for order in (events, events[::-1]):
        newest, oldest = runs_of(order)
        assert (newest.id, newest.status) == ("b", "unknown")
        assert newest.started_at == datetime(2025, 9, 12, 11, tzinfo=UTC)
        assert (oldest.id, oldest.started_at) == ("a", None)


def test_logs_are_read_to_the_last_page_and_each_line_once(tmp_path, monkeypatch):
    with SandboxRender(log_rows=7) as sandbox:
        sandbox.print_lines(sandbox.service_id("portal"), [f"line {number}" for number in range(40)])

        done = Called(tmp_path, sandbox.settings, monkeypatch)("logs", "portal")

    assert done.exit_code == 0
    assert [line.split("Z  ")[1] for line in done.stdout.splitlines()] == [f"line {number}" for number in range(40)]


def test_since_leaves_out_what_is_older(deploy, sandbox):
    portal = sandbox.service_id("portal")
    sandbox.print_lines(portal, ["old"], minutes_ago=90)
    sandbox.print_lines(portal, ["young"], minutes_ago=10)

    lines = deploy("logs", "portal", "--since", "30m", "--json").stdout.splitlines()

    assert [json.loads(line)["text"] for line in lines] == ["young"]


def test_a_line_cannot_command_the_terminal(deploy, sandbox):
    sandbox.print_lines(sandbox.service_id("portal"), ["\x1b]0;owned\x07\x1b[2Jhello\r\ttab"])

    shown = deploy("logs", "portal").stdout

    assert "\x1b" not in shown
    assert "\r" not in shown
    assert "hello" in shown


@pytest.mark.parametrize("since", ["", "1", "h", "1w", "-1h", "0h", "31d", "1h30m", "99999d"])
def test_a_time_that_cannot_be_read_is_refused_with_an_example(deploy, sandbox, since):
    done = deploy("logs", "portal", "--since", since)

    assert done.exit_code == 2
    assert "--since 30m, 12h or 2d" in done.stderr
    assert sandbox.calls == []


def test_a_page_that_leads_to_itself_does_not_go_on_for_ever(sandbox, api, monkeypatch):
    portal = sandbox.service_id("portal")
    sandbox.print_lines(portal, ["one"])
    answer = sandbox.list_logs

    def stuck(query):
        status, page = answer(query)
        return status, {**page, "hasMore": True, "nextStartTime": query["startTime"], "nextEndTime": query["endTime"]}

    monkeypatch.setattr(sandbox, "list_logs", stuck)
    now = datetime.now(UTC)

    lines = list(api.logs(api.service("portal"), now - HOUR, now))

    assert [line.text for line in lines] == ["one"]


def test_metrics_show_the_latest_and_the_highest(deploy):
    done = deploy("metrics", "andalan")

    assert done.exit_code == 0
    memory = next(line for line in done.stdout.splitlines() if line.startswith("memory"))
    assert memory.split()[1:7] == ["130", "MB", "150", "MB", "512", "MB"]


def test_metrics_of_several_instances_are_taken_together(sandbox, api):
    portal = sandbox.service_id("portal")
    sandbox.set_figures(portal, "memory", [1.0, 9.0, 2.0], [3.0, 4.0, 5.0], unit="GB", limit=16.0)
    now = datetime.now(UTC)

    figures = api.figures(api.service("portal"), "memory", now - HOUR, now)

    assert figures.highest == 9.0
    assert figures.latest in (2.0, 5.0)
    assert (figures.limit, figures.unit) == (16.0, "GB")


def test_a_service_without_figures_says_so(deploy):
    done = deploy("metrics", "portal")

    assert done.exit_code == 0
    assert "no figures in the last 1d" in done.stdout


# Errors.


def test_a_missing_key_is_named_before_anything_is_asked(tmp_path, sandbox, monkeypatch):
    done = Called(tmp_path, {"RENDER_API_URL": sandbox.url}, monkeypatch)("services")

    assert done.exit_code == 2
    assert "missing settings: RENDER_API_KEY" in done.stderr


def test_the_key_may_stand_in_env(tmp_path, sandbox, monkeypatch):
    lines = [f"{name}={value}" for name, value in sandbox.settings.items()]
    (tmp_path / ".env").write_text("\n".join(lines), encoding="utf-8")

    assert Called(tmp_path, {}, monkeypatch)("services").exit_code == 0


def test_a_wrong_key_is_told_and_never_shown(tmp_path, sandbox, monkeypatch):
    wrong = sandbox.key[:-4] + "zzzz"

    deploy = Called(tmp_path, {**sandbox.settings, "RENDER_API_KEY": wrong}, monkeypatch)

    done = deploy("services", "--debug", "--json")

    assert done.exit_code == 2
    assert "does not accept the key in RENDER_API_KEY (401)" in done.stderr
    assert wrong not in done.stdout + done.stderr
    assert json.loads(done.stdout)["error"] == "ConfigError"


@pytest.mark.parametrize(
    ("fault", "kind", "words", "step"),
    [
        (RenderFault.BAD_REQUEST, ConfigError, "does not accept the call", "suspended"),
        (RenderFault.PAYMENT_REQUIRED, ConfigError, "larger plan", "plan and the payment"),
        (RenderFault.FORBIDDEN, ConfigError, "no right", "owner of the workspace"),
        (RenderFault.NOT_ACCEPTABLE, SourceChanged, "form that was asked for", "not what this version"),
        (RenderFault.CONFLICT, BackhaulError, "busy", "under way"),
        (RenderFault.GONE, SourceChanged, "gone for good", "what is there now"),
    ],
)
def test_each_refusal_has_its_own_words_and_is_not_tried_again(sandbox, api, fault, kind, words, step):
    service = api.service("andalan")
    before = len(sandbox.calls)
    sandbox.faults.add(fault, times=9)

    with pytest.raises(kind, match=words) as caught:
        api.deploys(service)

    assert step in caught.value.next_step
    assert f'it says "planned: {fault}"' in str(caught.value)
    assert len(sandbox.calls) == before + 1


def test_a_service_that_goes_away_in_between_is_named(sandbox, api):
    service = api.service("andalan")
    sandbox.remove_service("andalan")

    with pytest.raises(ConfigError, match=r"andalan: is not there any more.*404") as caught:
        api.start(service, clear_cache=False)

    assert "backhaul deploy services" in caught.value.next_step


@pytest.mark.parametrize("fault", [RenderFault.SERVER_ERROR, RenderFault.CUT_BEFORE, RenderFault.NOT_JSON])
def test_a_read_is_tried_again_and_not_for_ever(sandbox, api, fault):
    sandbox.faults.add(fault, times=2)
    assert len(api.services()) == 2
    sandbox.faults.add(fault, times=99)

    with pytest.raises(TransientError) as caught:
        api.services()

    assert "status.render.com" in caught.value.next_step
    assert len(sandbox.calls) == 3 + QUICK.attempts


@pytest.mark.parametrize("fault", [RenderFault.TOO_MANY_REQUESTS, RenderFault.TOO_MANY_UNTIL])
def test_too_many_calls_wait_as_long_as_render_says(sandbox, api, fault):
    sandbox.faults.add(fault, seconds=0.5)
    begun = time.monotonic()

    assert len(api.services()) == 2

    assert 0.3 < time.monotonic() - begun < 4


def test_a_render_that_hangs_is_left(sandbox, monkeypatch):
    monkeypatch.setattr("backhaul.cli.render.http.CALL_TIMEOUT_S", 0.3)
    sandbox.faults.add(RenderFault.HANG, times=9, seconds=30)

    with (
        RenderApi(sandbox.url, sandbox.key, patience=Budget(attempts=1)) as api,
        pytest.raises(TransientError, match="does not answer in time"),
    ):
        api.services()


def test_nobody_there_is_told_as_such(sandbox):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"

        with (
            RenderApi(url, sandbox.key, patience=QUICK) as api,
            pytest.raises(TransientError, match="cannot be reached"),
        ):
            api.services()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.render.com",
        "ftp://api.render.com",
        "http://api.render.com",
        "https://name@api.render.com",
        "http://[::1",
    ],
)
def test_an_address_that_would_show_the_key_or_cannot_be_right_is_refused(sandbox, url):
    with pytest.raises(ConfigError) as caught:
        RenderApi(url, sandbox.key)

    assert sandbox.key not in str(caught.value) + caught.value.next_step


@pytest.mark.parametrize("key", ["", "short", "two words and more", "schlüssel-schlüssel", "line\nbreak-line"])
def test_a_key_that_cannot_be_one_is_refused_before_it_is_sent(sandbox, key):
    with pytest.raises(ConfigError, match="RENDER_API_KEY"):
        RenderApi(sandbox.url, key)

    assert sandbox.calls == []


@pytest.mark.parametrize(
    "garbage", [{}, {"id": None, "serviceDetails": 5, "commit": "x", "createdAt": 7, "status": []}]
)
def test_facts_that_lack_everything_are_still_facts(garbage):
    assert service_of(garbage).schedule is None
    assert deploy_of(garbage).status == "unknown"
    assert runs_of([garbage, {"type": "cron_job_run_ended", "details": None}]) == []
