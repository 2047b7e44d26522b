"""Policy files: a small piece of a scenario, the options and the policies over them that ``edgeroi route`` replays over a log.

``policies`` names what is replayed; everything else is written as in a scenario. A whole scenario does as well: then the policies among a
workload's options are replayed, under its volume and its value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import date
from importlib import resources
from pathlib import Path

from edgeroi.errors import EdgeroiError, Place, did_you_mean
from edgeroi.estimate import Range
from edgeroi.scenario.options import option_of
from edgeroi.scenario.policies import check_references
from edgeroi.scenario.reading import scenario_of
from edgeroi.scenario.section import Findings, Section, check_version, words_of
from edgeroi.scenario.value import read_value
from edgeroi.spec import OptionSpec, Scenario, WorkloadSpec
from edgeroi.units import PER_REQUEST, REQUEST_RATE
from edgeroi.values import ValueModel
from edgeroi.yamltree import Node, Table, read_tree

_FOLDER = "policies"


@dataclass(frozen=True)
class RouteFile:
    """What is replayed: ``policies`` by name, all ``options`` they are made of, and what the workload is worth where that is stated.

    ``where``: which rows of the log the workload's are, ``None`` where the file does not say.
    """

    file: str
    name: str
    options: Mapping[str, OptionSpec]
    policies: tuple[str, ...]
    workload: str | None = None
    where: Mapping[str, tuple[str, ...]] | None = None
    requests: Range | None = None
    value: ValueModel | None = None
    quality_value: Range | None = None
    prices_as_of: date | None = None
    places: Mapping[str, Place] = field(default_factory=dict)

    @property
    def plain(self) -> tuple[str, ...]:
        """The options that serve requests themselves and that a policy may lead to, in the order they are stated."""
        reached = {leaf for name in self.policies for leaf in self._leaves(name)}
        return tuple(name for name, spec in self.options.items() if spec.policy is None and (name in reached or not self.policies))

    def only(self, name: str | None) -> RouteFile:
        """The same with one of its policies; raises ``EdgeroiError`` where it has none of that name."""
        if name is None:
            return self
        if name not in self.policies:
            raise EdgeroiError(f"{self.file} has no policy {name!r}", key="--only", fix=did_you_mean(name, self.policies))
        return replace(self, policies=(name,))

    def _leaves(self, name: str) -> tuple[str, ...]:
        policy = self.options[name].policy
        return (name,) if policy is None else tuple(leaf for part in policy.parts for leaf in self._leaves(part))


def shipped_routes() -> tuple[str, ...]:
    """The policy files that edgeroi brings, by name."""
    folder = resources.files("edgeroi") / _FOLDER
    return tuple(sorted(Path(file.name).stem for file in folder.iterdir() if file.name.endswith(".yaml")))


def shipped_route(name: str) -> AbstractContextManager[Path]:
    """The file of one of them, there while the block runs."""
    return resources.as_file(resources.files("edgeroi") / _FOLDER / f"{name}.yaml")


def load_routes(path: Path | str, workload: str | None = None) -> RouteFile:
    """A policy file, one that is shipped by its name, or a scenario, of which ``workload`` is meant where it has several.

    Raises ``EdgeroiError`` with file, line and key; several mistakes come as one ``ManyErrors``.
    """
    if str(path) in shipped_routes() and not Path(path).exists():
        with shipped_route(str(path)) as shipped:
            return replace(load_routes(shipped, workload), file=str(path))
    if not Path(path).exists():
        raise EdgeroiError(
            "no such file", place=Place(str(path)), fix=f"name a policy file, or one that is shipped: {', '.join(shipped_routes())}"
        )
    tree = read_tree(path)
    if not isinstance(tree, Table):
        raise EdgeroiError("not a policy file: a mapping is wanted", place=tree.place, fix="begin with `edgeroi: 1`")
    if "workloads" in tree.keys:
        return _of_scenario(scenario_of(tree, Path(path)), workload)
    findings = Findings()
    found = _route_file(Section(tree, "", findings), Path(path))
    findings.raise_any()
    return found


def _route_file(top: Section, path: Path) -> RouteFile:
    check_version(top)
    options = {key: option for key, inner in top.sections("options", needed=True) if (option := option_of(inner, key, path.parent))}
    check_references(options, top)
    policies = top.read("policies", _names_of, needed=True, fix="name the options to replay, as in `[routed]`") or ()
    for name in policies:
        if name not in options and not top.findings.errors:
            top.refuse("policies", f"no option {name!r}", did_you_mean(name, options))
        elif name in options and options[name].policy is None:
            top.refuse("policies", f"{name!r} is no policy", "name options that are; the others are replayed beside them anyway")
    value, quality = read_value(top)
    stated = top.range("quality_value", PER_REQUEST)
    if stated and quality:
        top.refuse("quality_value", "`quality_value` stands here and under `value`", "keep one")
    found = RouteFile(
        str(path),
        top.text("name") or path.name.partition(".")[0],
        options,
        policies,
        top.text("workload"),
        requests=top.range("requests", REQUEST_RATE),
        value=value,
        quality_value=stated or quality,
        prices_as_of=top.day("prices_as_of"),
        places={name: option.place for name, option in options.items() if option.place},
    )
    top.close({"policy": "write `policies: [NAME]`", "log": "name the log on the command line"})
    return found


def _of_scenario(scenario: Scenario, workload: str | None) -> RouteFile:
    """The policies of one workload of a scenario."""
    spec = _workload(scenario, workload)
    options = {**scenario.options, **spec.options}
    policies = tuple(name for name, option in spec.options.items() if option.policy)
    if not policies:
        fix = "define one under `options` and name it in the workload's `options`"
        raise EdgeroiError("no option of the workload is a policy", place=spec.place, key=f"workloads.{spec.name}", fix=fix)
    value, quality = spec.value, spec.quality_value
    return RouteFile(
        scenario.file,
        scenario.name,
        options,
        policies,
        spec.name,
        spec.where,
        spec.requests,
        value,
        quality,
        scenario.prices_as_of,
        scenario.places,
    )


def _names_of(node: Node) -> tuple[str, ...]:
    """The names under ``policies``; whoever writes the policies themselves there is told where they go."""
    if isinstance(node, Table):
        names = ", ".join(node.keys)
        fix = f"write what it is under `options`, and here its name: `policies: [{names}]`"
        raise EdgeroiError("names of options are wanted, not the policies themselves", place=node.place, fix=fix)
    return tuple(words_of(node))


def _workload(scenario: Scenario, wanted: str | None) -> WorkloadSpec:
    names: Sequence[str] = tuple(scenario.workloads)
    if wanted is None and len(names) == 1:
        return scenario.workloads[names[0]]
    if wanted is None:
        fix = f"name one with --workload: {', '.join(names)}"
        raise EdgeroiError(f"{scenario.file} has {len(names)} workloads, and a policy is replayed for one", fix=fix)
    if wanted not in scenario.workloads:
        raise EdgeroiError(f"no workload {wanted!r} in {scenario.file}", key="--workload", fix=did_you_mean(wanted, names))
    return scenario.workloads[wanted]
