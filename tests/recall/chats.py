"""A user's chats with an assistant, made up for these tests, and questions with the messages that prove the answers.

The replies are long, and say what the user said again in more words than the user: that is what makes such chats
another matter than talks between people.
"""

from __future__ import annotations

PADDING = (
    "Here is a plan that you can follow step by step. First, write down what you already have and what is still "
    "missing. Second, set a date for each step and leave some room for surprises. Third, look at it again every week "
    "and change what does not work. If you like, I can make a table of it, or go into any of the steps in more detail."
)

CHATS: dict[str, list[tuple[str, str]]] = {
    "budget app": [
        ("I'm building a budget tracker in Flask, and my first sprint ends on March 29. Can you help me plan it?",
         ("A budget tracker in Flask is a good project for a sprint. Plan the budget tracker's models first, then the "
         "views, then the tests of the Flask app.")),
        ("I've decided to use SQLite for the tracker because I'm the only one who uses it.",
         ("SQLite is a fine database for a tracker with one user. Use a database file, turn on foreign keys, and back "
         "the database up.")),
        ("How do I hash the passwords? I was thinking of Werkzeug.",
         ("Use generate_password_hash of Werkzeug. Passwords must never be stored; hash passwords with a salt, and "
         "check the hash of a password at login.")),
        ("The login works now, but the dashboard takes 900 ms to load. My goal is 300 ms.",
         ("To make the dashboard load faster, look at the queries of the dashboard, cache the totals and load charts "
         "later. A dashboard that loads in 300 ms feels instant.")),
        ("I added Redis caching and the dashboard is down to 250 ms.",
         "Caching with Redis was the right step for the dashboard. Watch the hit rate of the cache."),
        ("Please write me a unit test for the transaction form.",
         "Here is a unit test for the transaction form: it posts a transaction, and asserts that the form saves it."),
        ("My colleague Yusuf will review the code on Friday.",
         "A code review is a good habit. Tell the reviewer what to look at, and keep the review short."),
        ("We deploy to a small server at Hetzner with gunicorn.",
         "To deploy a Flask app with gunicorn, put nginx before gunicorn and let systemd start the server."),
    ],
    "kitchen": [
        ("I want to renovate my kitchen for at most 18,000 euros. What should I think of?",
         ("A kitchen renovation has many parts: cabinets, worktops, appliances, plumbing. With a renovation budget of "
         "18,000 euros, spend a third on cabinets.")),
        ("The carpenter quoted 6,400 for oak cabinets.",
         "Oak cabinets last long. Ask the carpenter whether the quote for the cabinets has the fitting in it."),
        ("I picked a grey quartz worktop, since marble stains.",
         "A quartz worktop does not stain as marble does. Quartz worktops don't need sealing, marble worktops do."),
        ("Which stove would you take, gas or induction?",
         ("I recommend induction: it is safer, faster, and easier to clean than gas. Check that your pans work with "
         "induction, and that the electrician can lay a line for the stove.")),
        ("My pans are all copper, so I would need new ones. That's 350 euros more.",
         "Copper pans don't work on induction without a plate. New pans for induction cost from 30 euros each."),
        ("The work starts on September 4 and we eat at my mother's until it is done.",
         "When the work starts, cover the furniture. Kitchens take three to five weeks from the start of the work."),
        ("My wife Ingrid wants the sink below the window.",
         "A sink below the window is lovely. Mind the height of the window and the tap of the sink."),
    ],
    "spanish": [
        ("I'm learning Spanish for a job in Valencia; I start there in January.",
         "Learning Spanish for a job is a great motive. For a job in Valencia, learn some Valencian greetings too."),
        ("I study 40 minutes every morning before work, with flash cards.",
         ("Studying every morning with flash cards works well. Study new cards in the morning and repeat the cards at "
         "night.")),
        ("My tutor is called Marisol, we meet on Tuesdays.",
         "A tutor helps with speaking. Prepare questions for your tutor before you meet."),
        ("I keep mixing up ser and estar.",
         "Ser is for what something is, estar for how and where it is. Mixing up ser and estar is common."),
        ("Yesterday I took a test and I'm at level B1.",
         "Congratulations on level B1! A level test shows what to study next; level B2 needs some 200 hours."),
        ("I stopped with flash cards, they bore me. I read comics now.",
         ("Reading comics is a fine way to learn. Read comics that you know, and guess words instead of looking them "
         "up on cards.")),
    ],
}  # fmt: skip

QUESTIONS: list[tuple[str, str, int, str]] = [
    # question, chat, exchange, role of the message that proves the answer
    ("When does my first sprint end?", "budget app", 0, "user"),
    ("Which database did I choose for the tracker, and why?", "budget app", 1, "user"),
    ("Which library did I want to use for passwords?", "budget app", 2, "user"),
    ("How fast did I want the dashboard to load?", "budget app", 3, "user"),
    ("How long does the dashboard take since I added caching?", "budget app", 4, "user"),
    ("Who reviews my code?", "budget app", 6, "user"),
    ("Where do we deploy?", "budget app", 7, "user"),
    ("How much may my kitchen renovation cost?", "kitchen", 0, "user"),
    ("What did the carpenter ask for the cabinets?", "kitchen", 1, "user"),
    ("Why did I not take a marble worktop?", "kitchen", 2, "user"),
    ("Which stove did you recommend?", "kitchen", 3, "assistant"),
    ("Why would I need new pans?", "kitchen", 4, "user"),
    ("When does the work on the kitchen start?", "kitchen", 5, "user"),
    ("Where does my wife want the sink?", "kitchen", 6, "user"),
    ("Why am I learning Spanish?", "spanish", 0, "user"),
    ("How many minutes do I study every morning?", "spanish", 1, "user"),
    ("What's the name of my tutor?", "spanish", 2, "user"),
    ("Which verbs do I confuse or mix up?", "spanish", 3, "user"),
    ("What did you say about ser and estar?", "spanish", 3, "assistant"),
    ("Which level of Spanish did I reach in the test?", "spanish", 4, "user"),
    ("Do I still use flash cards?", "spanish", 5, "user"),
]
