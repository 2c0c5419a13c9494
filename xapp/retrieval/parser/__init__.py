"""Strangers' documents, parsed in a process with limits of memory and time."""
