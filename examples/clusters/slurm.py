"""
A cluster on Slurm with dask-jobqueue: CPU workers are jobs, and so is each engine.

Run it on a login node, and in another shell: datagen run recipe.yaml --set cluster=tcp://LOGIN:8786
"""

import subprocess
import threading

from dask_jobqueue import SLURMCluster

CPU_WORKERS, ENGINES = 16, 2

if __name__ == "__main__":
    cluster = SLURMCluster(
        cores=1, processes=1, memory="4GB", walltime="24:00:00", scheduler_options={"port": 8786}
    )
    cluster.scale(CPU_WORKERS)  # not adapt(): it would also stop idle engines
    engine = f"dask worker {cluster.scheduler_address} --nthreads 4 --resources engine=1 --death-timeout 120"
    for _ in range(ENGINES):
        resources = ["--gpus=1", "--cpus-per-task=8", "--mem=32G", "--time=24:00:00"]
        subprocess.run(["sbatch", *resources, "--wrap", engine], check=True)
    threading.Event().wait()
