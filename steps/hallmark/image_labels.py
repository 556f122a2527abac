"""The labels that tie an image to what it was built from (github.com/opencontainers/image-spec, annotations.md)."""

REVISION = "org.opencontainers.image.revision"
SOURCE = "org.opencontainers.image.source"
VERSION = "org.opencontainers.image.version"
TITLE = "org.opencontainers.image.title"
MODEL_DIGEST = "dev.hallmark.model.digest"
SOURCE_DIGEST = "dev.hallmark.source.digest"
