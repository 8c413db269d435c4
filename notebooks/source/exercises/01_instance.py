# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] id="nb01-c01"
# # Exercise 01: what a weekend costs
#
# After [01 Get an instance](../01_instance.ipynb). Five minutes; nothing is started.
#
# An inf2.8xlarge was started on Friday at 14:00. At 18:00 somebody **stopped** it, and went home. On Monday at 10:00
# somebody else saw it and terminated it.
#
# What did it cost in all? One line is enough.

# %% id="nb01-c02"
from inf2lab import Settings, enter_repository
from inf2lab.aws import connect, launch_request, look_up_image, offering, price_table

enter_repository()
settings = Settings(lane="rehearsal", instance="inf2.8xlarge")
cloud = connect(settings, region="us-east-2")
base = look_up_image(cloud, profile=settings.profile)
offered = offering(cloud, settings.instance)
price = price_table(cloud, launch_request(cloud, settings.instance, base, hours=4, offered=offered))
print(price)

# %% [markdown] id="nb01-c03"
# Take the numbers from `price.usd_per_hour` and `price.usd_per_hour_stopped`; they have more digits than the table.

# %% id="nb01-c04"
usd = ...
# solution: the price of the whole weekend, in US dollars
usd = 4 * price.usd_per_hour + 64 * price.usd_per_hour_stopped
# end of solution
print(usd)

# %% [markdown] id="nb01-c05" tags=["reason"]
# **Why.** Four hours ran, at the price of instance, disk and address together. From Friday 18:00 to Monday 10:00 are 6 + 24 +
# 24 + 10 = 64 hours. A stopped instance bills no hour of its own, but its disk stays, and the disk goes on billing. That is why the
# launch of notebook 01 sets *terminate*: then the disk goes with the instance.

# %% [markdown] id="nb01-c06"
# ## Check yourself

# %% id="nb01-c07" tags=["check"]
from inf2lab.grading import check_exercise

check_exercise("01_instance", globals())

# %% [markdown] id="nb01-c08"
# [All solutions, with reasons](solutions.ipynb). `inf2lab grade` says what you have passed.
