"""Main: the whole chain, from the source to Production."""

from __future__ import annotations

from recipeline.artifacts import ORDER
from recipeline.cli.command import Result, entry_point
from recipeline.cli.options import (
    cache_option,
    data_option,
    method_option,
    model_option,
    parse_switch,
    promote_option,
    session_options,
)


@entry_point("main")
@session_options
@data_option
@method_option("--split")
@model_option
@cache_option
@promote_option
def main(recipe: str, profile: str, data: str, split: str, model: str, cache: str, promote: str) -> Result:
    """Run the chain from ingest to promote; finished steps are reused.

    The steps: ingest, split, train, evaluate, register, promote.

    \b
    Writes: a run with the steps' runs nested in it; every step's run ID as a tag
    Exit code 4: the best candidate fails a gate of the recipe; nothing is registered.
    Example: python -m steps.main --data wines.csv --model rf,lr
    """
    from recipeline.cli.environment import open_session
    from recipeline.cli.pipeline import name_params, run_pipeline
    from recipeline.orchestration.chain import check_steps

    session = open_session(recipe, profile, will_fit=True, data=data)
    use_cache = parse_switch("cache", cache, default=session.profile.cache)
    params = name_params(data=data, split=split, model=model, promote=promote)
    check_steps(session, ORDER, params)
    run, summary = run_pipeline(session, params, use_cache=use_cache)
    return Result(summary, run.exit_code, run.id, run.outcome, run.values)


if __name__ == "__main__":
    main()
