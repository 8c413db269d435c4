"""What a set of parameters means on the hardware: legal degrees, memory a core, copies of the model, devices.

The arithmetic is neuron_rules'; the rehearsal's device uses the same, so a plan and a rehearsal agree.
"""

from inf2lab.planning._plan import Copy, Plan, plan
from inf2lab.planning._rules import ArticleRules, article_rules

__all__ = ["ArticleRules", "Copy", "Plan", "article_rules", "plan"]
