"""For those who call `talos.Scan` themselves."""

from umsrep.search import jobs, worker
from umsrep.search.recipe import Recipe, load_recipe
from umsrep.search.rounds import check_positions, talos_round
from umsrep.search.scanning import positions


def talos_inputs(recipe):
    """What `talos.Scan` needs to scan a recipe's space.

        inputs = umsrep.search.talos_inputs("scan.yaml")
        scan = talos.Scan(**inputs, experiment_name="mine", round_limit=5,
                          save_weights=False)
        scan.data.sort_values("objective")

    Rounds train in the calling process. A round that fails has an objective
    of nan; nothing else of it is kept, and no weights are: train the best
    settings with `umsrep finetune`.

    Args:
        recipe: A `Recipe`, or what `load_recipe` takes. Its search, rounds and
            reduction are left to Talos's own arguments.

    Returns:
        {"x", "y", "x_val", "y_val": positions of images, split by patient,
        "params": {name: values}, "model": the function of a round}. The
        function raises if Talos hands it another split.
    """
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe)
    inputs = positions(recipe)

    def model(x, y, x_val, y_val, params):
        check_positions(inputs, x, x_val)
        record = worker.run_round(jobs.job(recipe, params), capture=False)
        history = record.get("history", {})
        return talos_round(record, history, recipe.objective)

    return {**inputs, "params": dict(recipe.space), "model": model}
