"""Descriptors of small data sets that are part of scikit-learn."""

from __future__ import annotations

from unified.core.components.descriptors import SuiteComponent

_SUMMARIES = {
    "digits": "1,797 images of handwritten digits, 8 x 8, 10 classes (Alpaydin and Kaynak 1998)",
    "iris": "150 flowers, 4 features, 3 classes (Fisher 1936)",
    "wine": "178 wines, 13 features, 3 classes (Forina et al. 1991)",
    "breast_cancer": "569 tumours, 30 features, malignant or benign (Wolberg et al. 1995)",
    "diabetes": "442 patients, 10 features, progression of diabetes after a year: regression (Efron et al. 2004)",
}

components = tuple(
    SuiteComponent(
        name=name,
        target=f"unified.plugins.suites.tables.suite:{name.title().replace('_', '')}",
        config="unified.plugins.suites.splits:SplitOptions",
        tasks="unified.plugins.suites.tables.tasks:TASKS",
        agent="ac2",
        data=True,
        summary=summary,
    )
    for name, summary in _SUMMARIES.items()
)
