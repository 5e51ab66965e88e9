"""Samples from AWS: instances, groups, the spot market, metrics and costs; and notices from a queue."""

from scrimp.collectors.aws.collector import AwsCollector
from scrimp.collectors.aws.events import AwsEventsCollector

__all__ = ["AwsCollector", "AwsEventsCollector"]
