"""Upload a finished hand-off to a hub with the Hugging Face protocol."""

from pathlib import Path

from datagen.errors import UserError
from datagen.redaction import mask_secrets

HUB_FILES = {".gitattributes"}  # made by the hub
SILENCE = 300.0  # seconds without a byte from the hub after which an upload fails


def push(folder: Path, name: str) -> None:
    """
    Upload a hand-off as one commit of a private dataset, which also deletes files that it does not have.

    A failed upload thus leaves the former release as it was. `HfApi.upload_folder` may split an upload into
    several commits, and its first ones remain if a later one fails. The hub and the token are taken from the
    environment (``HF_ENDPOINT``, ``HF_TOKEN``), never from the recipe.

    Parameters
    ----------
    folder
        A finished hand-off.
    name
        The dataset, ``org/name``. An existing one gets another commit.

    Raises
    ------
    UserError
        If the dataset exists and is public, or the hub is unreachable, silent or rejects the upload. The
        hand-off itself is complete.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_session

    api = HfApi()
    session = get_session()
    patience, session.timeout = session.timeout, SILENCE
    paths = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    try:
        api.create_repo(name, repo_type="dataset", private=True, exist_ok=True)
        if api.dataset_info(name).private is False:
            raise UserError("it exists and is public, and documents may not be")
        stale = set(api.list_repo_files(name, repo_type="dataset")) - paths.keys() - HUB_FILES
        api.create_commit(
            name,
            [
                *(CommitOperationAdd(file, path) for file, path in paths.items()),
                *(CommitOperationDelete(file, is_folder=False) for file in sorted(stale)),
            ],
            commit_message=f"Hand-off of run {folder.parent.name}",
            repo_type="dataset",
        )
    except Exception as error:  # also those of its HTTP library, which differs between versions
        reason = getattr(error, "server_message", None) or str(error)
        if "Timeout" in type(error).__name__:
            reason = f"it has not answered for {SILENCE:g} seconds, and may still have accepted the upload"
        reason = reason.strip().partition("\n")[0].rstrip(".")
        raise UserError(
            f"handoff.push: {name!r} was not uploaded to {mask_secrets(str(api.endpoint))}: {reason}. "
            f"The hand-off is complete in {folder}; set HF_ENDPOINT and HF_TOKEN and run again, or upload "
            "the folder manually"
        ) from error
    finally:
        session.timeout = patience
