"""For those who call `talos.Scan` themselves."""

from umsrep.search import jobs, worker
from umsrep.search.plan import ScanPlan, load_space
from umsrep.search.rounds import check_positions, talos_round
from umsrep.search.scanning import positions, without_module


def talos_inputs(plan):
    """What `talos.Scan` needs to scan a search space's space.

        inputs = umsrep.search.talos_inputs("scan.yaml")
        scan = talos.Scan(**inputs, experiment_name="mine", round_limit=5,
                          save_weights=False)
        scan.data.sort_values("objective")

    Rounds train in the calling process. A round that fails has an objective
    of nan; nothing else of it is kept, and no weights are: train the best
    settings with `umsrep finetune`.

    Args:
        plan: A `ScanPlan`, or what `load_space` takes. Its search, rounds and
            reduction are left to Talos's own arguments.

    Returns:
        {"x", "y", "x_val", "y_val": positions of images, split by patient,
        "params": {name: values}, "model": the function of a round}. The
        function raises if Talos hands it another split.
    """
    if not isinstance(plan, ScanPlan):
        plan = load_space(plan)
    inputs = positions(plan)

    def model(x, y, x_val, y_val, params):
        check_positions(inputs, x, x_val)
        record = worker.run_round(jobs.job(plan, params), capture=False)
        history = record.get("history", {})
        return talos_round(record, history, plan.objective)

    return {
        **inputs,
        "params": dict(plan.space),
        "model": without_module(model),
    }
