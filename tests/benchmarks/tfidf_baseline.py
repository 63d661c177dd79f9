"""Which C the TF-IDF baseline gets: macro-F1 on the VALIDATION split of medical_coding.

python tests/benchmarks/tfidf_baseline.py
"""

from __future__ import annotations

from sklearn.metrics import f1_score

import tunebook as tb
from tunebook.data.dataset import texts_of
from tunebook.evaluation.baselines import fit_baselines
from tunebook.forms.single_label import SingleLabel

for per_class in (8, 32, 128):
    data = tb.load_dataset(tb.load_case("medical_coding", train_per_class=per_class))
    for c in (1.0, 3.0, 10.0, 30.0):
        SingleLabel.linear_c = c
        (fitted,) = fit_baselines(
            texts_of(data.split("train")),
            data.targets("train"),
            texts_of(data.split("validation")),
            data.form,
            names=("tfidf",),
        )
        predicted = fitted.outputs.argmax(axis=1)
        score = f1_score(data.targets("validation"), predicted, average="macro")
        print(f"{per_class:>4} per class  C={c:<5} macro-F1 {score:.3f}  {fitted.seconds:.1f} s")
