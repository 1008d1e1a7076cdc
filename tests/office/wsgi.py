"""What gunicorn serves: the admin, and its style sheets and scripts as a browser of a person gets them."""

from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.wsgi import get_wsgi_application

application = StaticFilesHandler(get_wsgi_application())
