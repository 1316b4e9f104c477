"""Upload a finished hand-off to a hub with the Hugging Face protocol."""

from pathlib import Path

from datagen.errors import UserError


def push(folder: Path, name: str) -> None:
    """
    Upload a hand-off as one commit of a private dataset.

    The hub and the token are taken from the environment (``HF_ENDPOINT``, ``HF_TOKEN``), never from the
    recipe.

    Parameters
    ----------
    folder
        A finished hand-off.
    name
        The dataset, ``org/name``. An existing one gets another commit.

    Raises
    ------
    UserError
        If the hub is unreachable or rejects the upload. The hand-off itself is complete.
    """
    import httpx
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    api = HfApi()
    try:
        api.create_repo(name, repo_type="dataset", private=True, exist_ok=True)
        api.upload_folder(
            repo_id=name,
            repo_type="dataset",
            folder_path=folder,
            commit_message=f"Hand-off of run {folder.parent.name}",
            delete_patterns="*",  # files of an earlier release must not be loaded with this one
        )
    except (HfHubHTTPError, HFValidationError, httpx.HTTPError, OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise UserError(
            f"handoff.push: {name!r} was not uploaded to {api.endpoint}: {reason}. The hand-off is complete "
            f"in {folder}; set HF_ENDPOINT and HF_TOKEN and run again, or upload the folder manually"
        ) from error
