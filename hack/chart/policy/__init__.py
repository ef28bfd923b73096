"""Policies: what every release keeps, as functions from its objects to problems.

A policy yields one line a problem, `<object>: <what is wrong>`; none when it is kept. What a policy asks is its name.
"""

from collections.abc import Callable, Iterator
from typing import Any

from hack.chart.manifests import Manifests
from hack.chart.policy import network, objects, pods

Values = dict[str, Any]

# Whatever the values are, these hold.
ALWAYS: tuple[Callable[[Manifests], Iterator[str]], ...] = (
    objects.no_two_objects_have_one_name,
    objects.selectors_select_the_components_own_pods,
    objects.services_lead_to_ports_that_exist,
    objects.what_objects_refer_to_is_rendered_too,
    objects.labels_are_valid,
    pods.volumes_and_mounts_fit,
    pods.port_names_are_unique,
    pods.pods_say_how_long_they_may_take_to_stop,
)
# Values can break these, and should not.
OF_OBJECTS: tuple[Callable[[Manifests], Iterator[str]], ...] = (
    *ALWAYS,
    objects.names_fit,
    objects.pods_of_other_components_find_no_unready_worker,
    objects.templates_left_no_slips,
    pods.long_running_containers_have_probes,
    pods.variables_are_defined_before_they_are_used,
    network.closed_releases_have_no_open_pod,
)
# These compare the objects with the values, the chart's defaults included.
OF_VALUES: tuple[Callable[[Manifests, Values], Iterator[str]], ...] = (
    pods.pods_are_restricted_unless_the_values_ask_for_more,
    pods.a_simulation_is_restricted,
    pods.containers_have_resources,
    pods.images_are_pinned,
    pods.root_file_systems_are_read_only,
    pods.pods_obey_the_releases_security_values,
    pods.only_kubernetes_discovery_gets_a_token,
    pods.connections_are_set_for_what_is_used,
    pods.gpus_are_what_the_parallelism_needs,
    network.closed_releases_let_no_stranger_in_or_out,
    network.closed_releases_reach_what_they_use,
)


def judged(manifests: Manifests, values: Values) -> dict[str, list[str]]:
    """Every policy, by its name in words, and what breaks it."""
    found = {
        **{policy.__name__: list(policy(manifests)) for policy in OF_OBJECTS},
        **{policy.__name__: list(policy(manifests, values)) for policy in OF_VALUES},
    }
    return {name.replace("_", " "): problems for name, problems in found.items()}
