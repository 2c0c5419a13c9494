"""Callers of one server in a process of their own, and what they are given to do.

caller_process   the process: carries out one command after another, and tells what it cost
callers          it, as who starts it sees it
load_commands    the commands and replies
play_commands    what callers do at once, against any StreamingTarget
prompt_texts     prompts of exact length        text_maker   makes them with a server's tokenizer
"""
