"""ChatterBot as a classifier, run by the Python of a throw-away environment; nothing of ours can be imported here."""

import json
import resource
import sys
import time


def main() -> None:
    """Read pairs and questions as JSON, write the replies with their cost as JSON."""
    from chatterbot import ChatBot, languages  # type: ignore[import-not-found]
    from chatterbot.conversation import Statement  # type: ignore[import-not-found]
    from chatterbot.tagging import LowercaseTagger  # type: ignore[import-not-found]

    given = json.load(sys.stdin)
    begin = time.process_time()
    # The default tagger wants a language model to be downloaded; this one matches words.
    bot = ChatBot(
        "bench",
        tagger=LowercaseTagger,
        tagger_language=languages.CHI,
        database_uri="sqlite://",
        read_only=True,
    )
    # What its ListTrainer writes for a conversation of two sentences, in one go.
    bot.storage.create_many(
        [
            Statement(
                text=reply,
                search_text=reply,
                in_response_to=text,
                search_in_response_to=text.lower(),
                conversation="training",
            )
            for text, reply in given["pairs"]
        ]
    )
    trained = time.process_time() - begin
    replies, seconds = [], []
    for text in given["asked"]:
        begin = time.process_time()
        replies.append(bot.get_response(text).text)
        seconds.append(time.process_time() - begin)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    json.dump({"found": replies, "seconds": seconds, "ready": trained, "memory": memory}, sys.stdout)


if __name__ == "__main__":
    main()
