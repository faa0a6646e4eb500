"""A real S3 server for tests: SeaweedFS as a process of its own, on loopback, in a folder of its own."""

import ctypes
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import boto3
from botocore.config import Config

from collector.storage.store.s3 import S3Store
from collector.storage.store.s3_deleting import DeletingS3Store
from collector.storage.store.s3_options import S3Options
from tests.ports import keep_port

READY_SECS = 60.0
POLL_SECS = 0.02
ADMIN: Mapping[str, str] = {"AWS_ACCESS_KEY_ID": "admin", "AWS_SECRET_ACCESS_KEY": "admin-secret"}
RECORDER: Mapping[str, str] = {"AWS_ACCESS_KEY_ID": "recorder", "AWS_SECRET_ACCESS_KEY": "recorder-secret"}
"""May do what `policy` allows, and nothing else."""

ALONE: Mapping[str, str] = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
"""Keeps boto3 from looking for credentials beyond the environment."""

NOTHING: Mapping[str, Any] = {"Version": "2012-10-17", "Statement": []}


class Seaweed:
    """`start` and `kill` as often as a test likes: what was stored stays."""

    def __init__(self, folder: Path, policy: Mapping[str, Any] = NOTHING, *arguments: str) -> None:
        self._folder = folder
        for name in ("data", "sock", "log"):
            (folder / name).mkdir(parents=True)
        self._write_identities(policy)
        self._keepers: list[socket.socket] = []
        self._ports = [self._keep_ports() for _ in range(5)]
        self.arguments = arguments
        """Further ones, for the next start."""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        """Where it speaks S3."""
        return self._ports[0]

    @property
    def endpoint_url(self) -> str:
        """The same as an URL."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Start it and wait until it answers."""
        with (self._folder / "out").open("ab") as out:
            self._process = subprocess.Popen(
                self._command(),
                cwd=self._folder,
                stdout=out,
                stderr=out,
                preexec_fn=die_with_parent,  # noqa: PLW1509 -- it only asks the kernel
            )
        end = time.monotonic() + READY_SECS
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "out").read_text("utf-8")
            assert time.monotonic() < end, (self._folder / "out").read_text("utf-8")
            time.sleep(POLL_SECS)
        return self

    def kill(self) -> None:
        """End it at once, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def allow(self, policy: Mapping[str, Any]) -> None:
        """Change what the recorder may do, while it runs."""
        self._write_identities(policy)
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def remove(self) -> None:
        """End it and take its folder away."""
        self.kill()
        for keeper in self._keepers:
            keeper.close()
        shutil.rmtree(self._folder)

    @cached_property
    def admin(self) -> Any:
        """A client of the test's own, which may do everything."""
        return self.client(ADMIN)

    def client(self, keys: Mapping[str, str]) -> Any:
        """A client with these keys."""
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    def store(self, bucket: str, prefix: str = "", **options: Any) -> S3Store:
        """A store in it; its credentials come from the environment."""
        return S3Store(bucket, prefix, S3Options(**{"endpoint_url": self.endpoint_url, **options}))

    def deleting_store(self, bucket: str, prefix: str = "") -> DeletingS3Store:
        """A store in it that can remove objects, as a prune opens it."""
        return DeletingS3Store(bucket, prefix, S3Options(endpoint_url=self.endpoint_url))

    def new_bucket(self) -> str:
        """Make a bucket that nobody else uses."""
        name = f"bucket-{secrets.token_hex(6)}"
        self.admin.create_bucket(Bucket=name)
        return name

    def _answers(self) -> bool:
        try:
            self.admin.list_buckets()
        except Exception:  # noqa: BLE001 -- whatever it is, it does not answer yet
            return False
        return True

    def _command(self) -> list[str]:
        s3, master, volume, filer, admin = self._ports
        weed = Path(sys.executable).with_name("weed")
        # Each bucket takes some volumes of its own, and there are as many as fit on the disk: small ones, for many buckets.
        return [
            str(weed), f"-logdir={self._folder}/log", "-alsologtostderr=false", "mini", f"-dir={self._folder}/data",
            "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false", "-master.volumeSizeLimitMB=16",
            f"-s3.port={s3}", f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}",
            f"-admin.port={admin}", "-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0",
            f"-s3.config={self._folder}/s3.json", "-s3.autoCreateBucket=false", "-s3.iam=false",
            f"-filer.localSocket={self._folder}/sock/f", f"-s3.localSocket={self._folder}/sock/s", *self.arguments,
        ]  # fmt: skip

    def _keep_ports(self) -> int:
        """Keep a port and the one 10,000 above it, where SeaweedFS speaks to itself; both lie below those for anybody."""
        while True:
            port = 10_000 + secrets.randbelow(10_000)
            try:
                low = keep_port(port)
            except OSError:
                continue
            try:
                self._keepers += [low, keep_port(port + 10_000)]
            except OSError:
                low.close()
                continue
            return port

    def _write_identities(self, policy: Mapping[str, Any]) -> None:
        config = {
            "identities": [
                {"name": "admin", "credentials": [_as_credentials(ADMIN)], "actions": ["Admin"]},
                {"name": "recorder", "credentials": [_as_credentials(RECORDER)], "policyNames": ["recorder"]},
            ],
            "policies": [{"name": "recorder", "content": json.dumps(policy)}],
        }
        (self._folder / "s3.json").write_text(json.dumps(config), "utf-8")


def _as_credentials(keys: Mapping[str, str]) -> dict[str, str]:
    return {"accessKey": keys["AWS_ACCESS_KEY_ID"], "secretKey": keys["AWS_SECRET_ACCESS_KEY"]}


def die_with_parent() -> None:
    """A test run that is killed leaves no server behind."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def environment(**variables: str) -> dict[str, str]:
    """For a process of its own: these variables, and nothing of what this machine knows about AWS."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith("AWS_")}, **ALONE, **variables}
