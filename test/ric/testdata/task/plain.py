"""Handlers that are bound by name, for what the dispatcher cannot show."""

import atexit
import os
import signal
import sys
import threading
import time

number = 5


def echo(event, context): return event
def kind(event, context): return [type(event).__name__, repr(event)[:200]]
def no_arguments(): return 1
def one_argument(event): return event
async def coroutine(event, context): return 1


class Callable:
    def __call__(self, event, context): return "called"
    def method(self, event, context): return "method"


instance = Callable()
method = instance.method


def exit_three(event, context): print("going"); sys.exit(3)
def exit_none(event, context): sys.exit()
def exit_text(event, context): sys.exit("the reason")
def exit_builtin(event, context): exit(4)
def exit_hard(event, context): os._exit(7)
def exit_large(event, context): sys.exit(300)
def exit_killed(event, context): os.kill(os.getpid(), signal.SIGKILL)
def surrogate(event, context): return {"a": "\ud800"}


def exit_handlers(event, context):
    atexit.register(print, "exit handler")
    threading.Thread(target=lambda: (time.sleep(0.05), print("thread ends"))).start()
    sys.exit(5)


class Mute(Exception):
    def __str__(self): raise ValueError("no text")


def mute(event, context): raise Mute()
def surrogate_error(event, context): raise ValueError("\ud800")
def keyboard_interrupt(event, context): raise KeyboardInterrupt()
def base_exception(event, context): raise BaseException("not an Exception")
