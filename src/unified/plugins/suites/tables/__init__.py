"""Small data sets that come with scikit-learn, for which no network is needed."""

from __future__ import annotations

from unified.core.components.descriptors import SuiteComponent

_SUMMARIES = {
    "digits": "1,797 pictures of handwritten digits, 8 x 8, in 10 classes (Alpaydin and Kaynak 1998)",
    "iris": "150 flowers measured in 4 numbers, in 3 classes (Fisher 1936)",
    "wine": "178 wines analysed in 13 numbers, in 3 classes (Forina et al. 1991)",
    "breast_cancer": "569 tumours measured in 30 numbers, malignant or benign (Wolberg et al. 1995)",
    "diabetes": "442 patients in 10 numbers, and how far their diabetes went in a year: regression (Efron et al. 2004)",
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
