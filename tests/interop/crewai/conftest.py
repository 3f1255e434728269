from tests.interop.crewai import stand_in

stand_in.install()
