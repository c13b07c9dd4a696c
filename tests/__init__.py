"""The tests; they run as the program does, also where they begin below it."""

import bot as bot
