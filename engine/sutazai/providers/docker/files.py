"""Configs as files in a container: one tar archive, put into it before it starts."""

import io
import tarfile
from collections.abc import Mapping

from sutazai.errors import ProviderError
from sutazai.model.places import place_of
from sutazai.model.workload import Workload

DEFAULT_MODE = 0o444


def archive_of(workload: Workload, configs: Mapping[str, str]) -> bytes | None:
    """A tar archive to be unpacked at `/`, None without configs. Times are zero, so the same configs give
    the same bytes. Raises ProviderError for a grant whose content is missing or whose owner is not a
    number."""
    if not workload.configs:
        return None
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for grant in workload.configs:
            if grant.source not in configs:
                raise ProviderError(f"the content of config {grant.source!r} is missing")
            content = configs[grant.source].encode()
            info = tarfile.TarInfo(place_of(grant.target, grant.source).lstrip("/"))
            info.size = len(content)
            info.mode = DEFAULT_MODE if grant.mode is None else grant.mode
            info.uid, info.gid = _number(grant.uid, "uid"), _number(grant.gid, "gid")
            archive.addfile(info, io.BytesIO(content))
    return data.getvalue()


def _number(text: str | None, what: str) -> int:
    if text is None:
        return 0
    if not text.isdigit():
        raise ProviderError(f"configs: {what} {text!r} is not a number")
    return int(text)
