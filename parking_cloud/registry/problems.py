"""The registry's refusals."""

from __future__ import annotations

from parking_cloud.kernel.problems import InvalidInput


class ImportRefused(InvalidInput):
    """Nothing of the import was written; `errors` lists each row: part, row or line, field, reason."""

    slug = "import-refused"
    title = {"zh-CN": "导入未执行", "en": "Nothing was imported"}
    detail = {
        "zh-CN": "文件中有错误，未写入任何数据。请按 errors 逐行修改后重新导入。",
        "en": "Nothing was written. Correct the rows listed in `errors` and import again.",
    }
