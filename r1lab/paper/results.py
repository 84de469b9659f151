"""The results that the paper reports, for the tables that show ours."""

R1_ZERO = {"pass@1": "15.6% -> 77.9%", "cons@k": "-> 86.7% (self-consistency)"}
"""DeepSeek-R1-Zero on AIME 2024. Source: Nature 645, main text: 15.6 to 77.9, with self-consistency 86.7."""

_STAGES = ("base", "R1-Zero", "Dev1", "Dev2", "Dev3", "R1", "distilled")
STAGES = {
    title: {name: f"{value}%" for name, value in zip(_STAGES, values) if value is not None}
    for title, values in {
        "AIME 2024 pass@1": (15.6, 77.9, 59.0, 74.0, 78.1, 79.8, 28.9),
        "IF-Eval": (58.6, 46.6, 71.7, 72.0, 78.1, 83.3, None),
        "AlpacaEval 2.0": (None, 24.7, 50.1, 55.8, 62.1, 87.6, None),
        "Arena-Hard": (None, 53.6, 77.0, 73.2, 75.6, 92.3, None),
    }.items()
}
"""The paper's numbers that are nearest to ours: right answers, instructions kept, preference (helpful).

Source: Nature, Table 2; the base: main text and v2, Table 12; v2, Table 15: R1-Distill-Qwen-1.5B. It has no student by
RL of the same size.
"""
