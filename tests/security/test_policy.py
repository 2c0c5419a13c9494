"""What a policy allows, and what it may have in it."""

from pathlib import Path

import pytest

from xapp.domain.scope import of_group, of_principal
from xapp.errors import ConfigError, PermissionDenied
from xapp.security.policy import Policy, Rule, read_policy
from xapp.security.principal import Principal


def denied(check: object, *arguments: object, **options: object) -> PermissionDenied:
    with pytest.raises(PermissionDenied) as caught:
        check(*arguments, **options)  # type: ignore[operator]
    return caught.value


def read(folder: Path, text: str) -> Policy:
    path = folder / "policy.toml"
    path.write_text(text)
    return read_policy(path)


def test_without_a_policy_whoever_is_known_may_do_everything() -> None:
    policy = Policy(None)
    policy.check_method(Principal("anybody"), "LoadModel", for_admins=True)
    policy.check_model(Principal("anybody"), ["any"])
    policy.check_priority(Principal("anybody"), ["critical"])
    policy.check_task(Principal("anybody"), "any")


def test_who_has_no_table_may_do_nothing() -> None:
    policy = Policy({"planner": Rule()})
    assert (
        denied(policy.check_method, Principal("other"), "Generate", for_admins=False).reason
        == "METHOD_NOT_ALLOWED"
    )
    denied(policy.check_model, Principal("other"), ["tiny"])
    denied(policy.check_task, Principal("other"), "triage")
    denied(policy.check_priority, Principal("other"), ["batch"])


def test_default_is_for_all_others() -> None:
    policy = Policy({"default": Rule(methods=("Score",)), "planner": Rule(methods=("Generate",))})
    policy.check_method(Principal("other"), "Score", for_admins=False)
    policy.check_method(Principal("planner"), "Generate", for_admins=False)
    denied(policy.check_method, Principal("other"), "Generate", for_admins=False)
    denied(policy.check_method, Principal("planner"), "Score", for_admins=False)


def test_an_empty_table_allows_all_but_what_is_for_admins() -> None:
    policy = Policy({"planner": Rule()})
    policy.check_method(Principal("planner"), "Generate", for_admins=False)
    policy.check_model(Principal("planner"), ["any"])
    denied(policy.check_method, Principal("planner"), "LoadModel", for_admins=True)


def test_naming_a_method_makes_no_admin() -> None:
    policy = Policy({"planner": Rule(methods=("LoadModel",))})
    denied(policy.check_method, Principal("planner"), "LoadModel", for_admins=True)


def test_an_admin_may_do_everything() -> None:
    policy = Policy({"operator": Rule(admin=True, methods=(), models=())})
    policy.check_method(Principal("operator"), "LoadModel", for_admins=True)
    policy.check_model(Principal("operator"), ["any"])


@pytest.mark.parametrize(
    ("model", "allowed"), [("smollm2-135m", True), ("smollm2", True), ("qwen", False), ("SMOLLM2", False)]
)
def test_models_have_wildcards(model: str, allowed: bool) -> None:
    policy = Policy({"planner": Rule(models=("smollm2*",))})
    if allowed:
        policy.check_model(Principal("planner"), [model])
    else:
        error = denied(policy.check_model, Principal("planner"), [model])
        assert error.reason == "MODEL_NOT_ALLOWED"
        assert error.metadata == {"principal": "planner", "model": model}


def test_every_model_that_may_answer_has_to_be_allowed() -> None:
    denied(Policy({"planner": Rule(models=("a",))}).check_model, Principal("planner"), ["a", "b"])


def test_tasks_and_priorities() -> None:
    policy = Policy({"planner": Rule(tasks=("triage",), priorities=("batch",))})
    policy.check_task(Principal("planner"), "triage")
    policy.check_priority(Principal("planner"), ["batch"])
    assert denied(policy.check_task, Principal("planner"), "other").reason == "TASK_NOT_ALLOWED"
    assert denied(policy.check_priority, Principal("planner"), ["critical"]).reason == "PRIORITY_NOT_ALLOWED"


def test_a_callers_text_is_cut_in_the_error() -> None:
    error = denied(Policy({"a": Rule(models=("m",))}).check_model, Principal("a"), ["x" * 100_000])
    assert len(error.message) < 300


def test_a_file_is_read(tmp_path: Path) -> None:
    text = '[default]\nmethods = ["Generate"]\npriorities = ["batch"]\n[operator]\nadmin = true\n'
    policy = read(tmp_path, text)
    policy.check_names({"Generate"})
    policy.check_method(Principal("operator"), "LoadModel", for_admins=True)
    policy.check_method(Principal("planner"), "Generate", for_admins=False)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[planner", "TOML"),
        ("planner = 1", "Expected `object`"),
        ("[planner]\nmethod = []", "method"),
        ('[planner]\npriorities = ["urgent"]', "urgent"),
        ('[planner]\nadmin = "yes"', "admin"),
        ('[planner]\nmodels = "all"', "models"),
        ('[planner]\nshares = ""', "shares"),
    ],
)
def test_what_is_wrong_names_the_place(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert caught.value.key == "XAPP_POLICY_FILE"
    assert says in caught.value.message


def test_a_method_there_is_not_names_those_there_are(tmp_path: Path) -> None:
    policy = read(tmp_path, '[planner]\nmethods = ["Generat"]')
    with pytest.raises(ConfigError, match=r"planner: no method 'Generat'; there are Generate, Score"):
        policy.check_names({"Score", "Generate"})


def test_a_group_s_rule_is_for_those_without_one_of_their_own() -> None:
    own, group, default = Rule(tasks=("own",)), Rule(tasks=("group",)), Rule(tasks=("default",))
    policy = Policy({"planner": own, "group:ran": group, "default": default})
    assert policy.rule(Principal("planner", groups=("ran",))) is own
    assert policy.rule(Principal("other", groups=("unknown", "ran"))) is group
    assert policy.rule(Principal("other", groups=("unknown",))) is default


def test_nobody_gets_into_a_group_by_its_name() -> None:
    policy = Policy({"group:ran": Rule(admin=True)})
    assert policy.rule(Principal("group:ran")) is None


def test_a_principal_shares_with_nobody_but_those_of_its_rule(tmp_path: Path) -> None:
    policy = read(tmp_path, '[a]\nshares = "ran"\n[b]\nshares = "ran"\n[c]\n')
    assert policy.scope(Principal("a")) == policy.scope(Principal("b")) == of_group("ran")
    assert policy.scope(Principal("c")) == of_principal("c")
    assert policy.scope(Principal("nobody")) == of_principal("nobody")
    assert Policy(None).scope(Principal("a")) == of_principal("a")
