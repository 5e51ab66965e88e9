"""Samples from AWS: instances, groups, the spot market, metrics and costs; and notices from a queue."""

from scrimp.collectors.aws.collector import AwsCollector
from scrimp.collectors.aws.events import AwsEventsCollector
from scrimp.collectors.aws.imds import ImdsCollector

__all__ = ["AwsCollector", "AwsEventsCollector", "ImdsCollector"]
