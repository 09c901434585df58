"""A notification plugin that writes each event to `notifications.txt`."""


def notify(settings, event):
    with open("notifications.txt", "a", encoding="utf-8") as file:
        payload = event["payload"] or {}
        error = event.get("error")
        words = (event["name"], event["phase"], settings.get("label"), sorted(event), payload.get("title") or payload.get("status"), error)
        file.write(" | ".join(str(word) for word in words) + "\n")


def other(settings, event):
    with open("notifications.txt", "a", encoding="utf-8") as file:
        file.write("other " + event["name"] + "\n")


def failing(settings, event):
    raise RuntimeError("cannot notify")
