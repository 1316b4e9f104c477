"""The address of a cluster's dashboard, for a client that did not start the cluster."""

import pytest
from distributed import Client, LocalCluster

from datagen.cluster.workers import dashboard_of

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize("shown", [True, False])
def test_the_dashboard_is_named_if_the_scheduler_serves_it(shown):
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster.scheduler_address, set_as_default=False) as client,
    ):
        cluster.scheduler.http_application.applications[:] = [object()] * shown  # Dask needs bokeh for it
        dashboard = dashboard_of(client)
    assert dashboard.startswith("http://localhost:") if shown else dashboard == ""
