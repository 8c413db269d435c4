"""A proof on the chip that somebody with an account can make for about a dollar, and what it has proved so far."""

from inf2lab.prove.evidence import Evidence, Outcome, all_evidence, evidence_folder, read_evidence
from inf2lab.prove.proof_plan import ProofPlan, plan_proof
from inf2lab.prove.runner import prove
from inf2lab.prove.scrubber import find_identities
from inf2lab.prove.standing import Standing, standings

__all__ = [
    "Evidence",
    "Outcome",
    "ProofPlan",
    "Standing",
    "all_evidence",
    "evidence_folder",
    "find_identities",
    "plan_proof",
    "prove",
    "read_evidence",
    "standings",
]
