"""Writes and reads objects with boto3, as tests/it/clients.rs asks on standard input."""

import base64
import hashlib
import json
import sys

import boto3
from botocore.config import Config

task = json.load(sys.stdin)
client = boto3.client(
    "s3",
    endpoint_url=task["endpoint"],
    region_name=task["region"],
    aws_access_key_id=task["access_key"],
    aws_secret_access_key=task["secret_key"],
    config=Config(s3={"addressing_style": "path"}),
)
for item in task["write"]:
    client.put_object(
        Bucket=task["bucket"],
        Key=item["key"],
        Body=base64.b64decode(item["body"]),
        ContentType=item["content_type"],
        Metadata=item["metadata"],
    )
read = {}
for key in task["read"]:
    found = client.get_object(Bucket=task["bucket"], Key=key)
    read[key] = {
        "sha256": hashlib.sha256(found["Body"].read()).hexdigest(),
        "content_type": found["ContentType"],
        "metadata": found["Metadata"],
    }
json.dump(read, sys.stdout)
