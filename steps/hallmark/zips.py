"""What Python's zipfile raises of an archive that is damaged, cut off or packed in a way that it does not know."""

from __future__ import annotations

import struct
import zipfile
import zlib

BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, OSError)
