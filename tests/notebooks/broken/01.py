# %%
# breaks: the request keeps every rule
from dataclasses import replace

kept_disk = [{"DeviceName": "/dev/sda1", "Ebs": {**request.disk, "DeleteOnTermination": False}}]
sent = dict(request.run_instances.parameters) | {"BlockDeviceMappings": kept_disk}
calls = [replace(call, parameters=sent) if call.operation == "run_instances" else call for call in request.calls]
request = replace(request, calls=tuple(calls))

# %%
# breaks: it ends by itself before it costs more than 50 dollars
request = launch_request(cloud, "inf2.48xlarge", image, hours=4)

# %%
# breaks: the instance can load the model
settings = Settings(instance="inf2.xlarge")

# %%
# breaks: what was started is on record
from dataclasses import replace

from inf2lab.aws import Run

done = replace(done, run=Run("forgotten", "us-east-2"))
