"""Perl, its libraries and a small HTTP server: an image's files without any base image."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

SERVER = """
use Socket;
socket(S, PF_INET, SOCK_STREAM, 6) or die;
bind(S, sockaddr_in(8080, INADDR_ANY)) or die;
listen(S, 5);
open(F, "<", "/made") or die; my $made = <F>;
my $root = open(T, ">", "/new") ? "writable" : "read-only";
my $tmp = open(T, ">", "/tmp/new") ? "writable" : "read-only";
my $body = "$ENV{GREETING}, uid $>, made $made, root $root, tmp $tmp\\n";
while (accept(C, S)) {
  sysread(C, my $request, 4096);
  syswrite(C, "HTTP/1.0 200 OK\\r\\nContent-Length: " . length($body) . "\\r\\n\\r\\n$body");
  close(C);
}
"""


def make_rootfs(folder: Path) -> Path:
    """Fill `folder` and return it."""
    perl = shutil.which("perl")
    assert perl is not None
    linked = subprocess.run(["ldd", perl], capture_output=True, text=True, check=True).stdout
    for file in (perl, *re.findall(r"/\S+", linked)):
        target = folder / file.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    for base in Path("/usr/lib").glob("*/perl-base"):
        shutil.copytree(base, folder / str(base).lstrip("/"))
    (folder / "tmp").mkdir()
    (folder / "tmp").chmod(0o1777)
    (folder / "server.pl").write_text(SERVER)
    return folder
