"""Changes that a person makes, each behind a page that says exactly what will happen.

`confirming.py` describes that page, and `audit.py` writes a line for each change. A read-only studio shows only the
export, and its guard refuses the forms of all other pages.
"""

from recuerda.studio.changes.exporting import download, show_export
from recuerda.studio.changes.forgetting import (
    before_erase,
    before_forget_thread,
    before_forget_user,
    download_receipt,
    erase,
    forget_thread,
    forget_user,
)
from recuerda.studio.changes.importing import check_import, make_import, show_import
from recuerda.studio.changes.threads import (
    before_delete,
    before_drop,
    before_fork,
    before_resume,
    before_settings,
    before_undo,
    delete,
    drop,
    fork,
    resume,
    settings,
    undo,
)
from recuerda.studio.page import action, page, stream

_CONFIRM = "changes_confirm.html"
_THREAD = "/threads/{thread_id}"
_USER = "/users/{user_id}"

ROUTES = (
    *page(f"{_THREAD}/undo", before_undo, _CONFIRM),
    *action(f"{_THREAD}/undo", undo),
    *page(f"{_THREAD}/fork", before_fork, _CONFIRM),
    *action(f"{_THREAD}/fork", fork),
    *page(f"{_THREAD}/settings", before_settings, _CONFIRM),
    *action(f"{_THREAD}/settings", settings),
    *page(f"{_THREAD}/drop", before_drop, _CONFIRM),
    *action(f"{_THREAD}/drop", drop),
    *page(f"{_THREAD}/resume", before_resume, _CONFIRM),
    *action(f"{_THREAD}/resume", resume),
    *page(f"{_THREAD}/delete", before_delete, _CONFIRM),
    *action(f"{_THREAD}/delete", delete),
    *page(f"{_THREAD}/forget", before_forget_thread, _CONFIRM),
    *action(f"{_THREAD}/forget", forget_thread),
    *page(f"{_USER}/forget", before_forget_user, _CONFIRM),
    *action(f"{_USER}/forget", forget_user),
    *page(f"{_USER}/erase", before_erase, _CONFIRM),
    *action(f"{_USER}/erase", erase, "changes_receipt.html"),
    *stream("/receipt", download_receipt),
    *page(f"{_THREAD}/export", show_export, "changes_export.html"),
    *stream(f"{_THREAD}/download", download),
    *page("/import", show_import, "changes_import.html"),
    *action("/import", check_import, "changes_imported.html"),
    *action("/import/confirm", make_import, "changes_imported.html"),
)

__all__ = ["ROUTES"]
