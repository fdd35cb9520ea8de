# What jobs may take: memory, time and storage.

from functools import cache

from stagewise.planning.estimates import Estimates


def memory(wildcards):
    """Megabytes that jobs on the checkpoints of a variant may take. As `working_mb` it is what a
    job plans with, at every attempt alike, so that a second one has more room and not more work.
    """
    return variant_of(wildcards).get("memory_mb", 4000)


@cache
def estimates():
    """Of the jobs of this configuration."""
    return Estimates(config)


def job_of(rule, wildcards):
    """What estimates know a job by: its rule, and what that makes of which run."""
    known = wildcards.keys()
    names = ("testbed", "variant", "sampling", "compression")
    own = f"{rule}_shard" if "shard" in known else rule
    return [own, *(wildcards[name] for name in names if name in known)]


def minutes(rule, least):
    """Time limit of a job of that rule: several times its estimate, and at least so much."""
    return lambda wildcards: estimates().minutes(least, *job_of(rule, wildcards))


def seconds(rule):
    """What a job of that rule should take; for plans."""
    return lambda wildcards: estimates().seconds(*job_of(rule, wildcards))


def megabytes(rule):
    """What a job of that rule should leave behind; for plans."""
    return lambda wildcards: estimates().megabytes(*job_of(rule, wildcards))


def growing(amount):
    """A resource that is asked for once, twice, three times... at a job's first, second, third...
    attempt, as a cluster makes after a failure: the amount is a number, or a function of wildcards.
    """

    def asked(wildcards, attempt):
        return attempt * (amount(wildcards) if callable(amount) else amount)

    return asked
