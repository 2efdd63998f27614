"""The state as objects in a bucket. Needs boto3, which the extra `sutazai[s3]` installs."""

from sutazai.store.s3.store import S3Store, projects

__all__ = ["S3Store", "projects"]
