"""Airflow: refresh every Monday. A run resumes, so retries are cheap."""

from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

with DAG("laws", schedule="15 2 * * 1", start_date=datetime(2026, 1, 5), catchup=False, max_active_runs=1):
    check = BashOperator(task_id="check", bash_command="datagen check /srv/laws/recipe.yaml")
    run = BashOperator(
        task_id="run",
        bash_command="datagen run /srv/laws/recipe.yaml --json",  # the last line is the task's result
        retries=2,
        retry_delay=timedelta(minutes=10),
    )
    check >> run
