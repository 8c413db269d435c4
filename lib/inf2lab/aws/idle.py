"""The alarm that ends an instance which nobody uses: CloudWatch sees its processors rest, and terminates it."""

from inf2lab import catalog
from inf2lab.aws.calls import Call
from inf2lab.aws.runs import name_of, tags_of
from inf2lab.errors import SettingsError


def watch_idle(run: str, region: str, instance: str, instance_id: str, minutes: int) -> Call:
    """Return the call that makes the alarm; raises SettingsError. It watches processors: EC2 counts no NeuronCore."""
    _check_minutes(minutes)
    facts = catalog.cloud_facts().idle
    share = 100 * facts.busy_vcpus / catalog.instance(instance).vcpus
    alarm = {
        "AlarmName": name_of(run, "idle"),
        "AlarmDescription": f"terminates {instance} after {minutes} minutes without work",
        "Namespace": "AWS/EC2",
        "MetricName": "CPUUtilization",
        "Dimensions": [{"Name": "InstanceId", "Value": instance_id}],
        "Statistic": "Maximum",
        "Period": facts.period_s,
        "EvaluationPeriods": -(-60 * minutes // facts.period_s),
        "Threshold": round(share, 3),
        "ComparisonOperator": "LessThanThreshold",
        "TreatMissingData": "missing",
        "AlarmActions": [f"arn:aws:automate:{region}:ec2:terminate"],
        "Tags": tags_of(run),
    }
    return Call("cloudwatch", "put_metric_alarm", alarm)


def _check_minutes(minutes: int) -> None:
    """Raise SettingsError for a time that CloudWatch cannot watch."""
    least, most = catalog.cloud_facts().idle.minutes
    if not least <= minutes <= most:
        reason = f"must be from {least} to {most}, or 0: then only the deadline ends the instance"
        raise SettingsError("idle_minutes", minutes, reason)
